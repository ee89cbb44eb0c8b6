//! Compiles the XDP program with clang. Its object is BPF bytecode, the same on every machine, and is built into the
//! binary.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let source = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("../../bpf");
    println!("cargo:rerun-if-changed={}", source.display());
    println!("cargo:rerun-if-env-changed=CLANG");
    for program in ["causeway", "bench"] {
        compile(&source, program);
    }
}

fn compile(source: &Path, program: &str) {
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let object = PathBuf::from(env("OUT_DIR")).join(format!("{program}.bpf.o"));
    let mut command = Command::new(&clang);
    // BPF has no machine of its own, so that clang does not look where Debian keeps <asm/types.h>.
    let arch = env("CARGO_CFG_TARGET_ARCH");
    command
        .args(["--target=bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-c"])
        .arg(format!("-I{}", env("DEP_BPF_INCLUDE")))
        .arg(format!("-I/usr/include/{arch}-linux-gnu"))
        .arg(source.join(format!("{program}.bpf.c")))
        .arg("-o")
        .arg(&object);
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{clang} could not compile bpf/{program}.bpf.c ({status})"),
        Err(error) => panic!("{clang} can't be run ({error}); it compiles the XDP program: apt-get install clang"),
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; cargo sets it"))
}
