// What program and daemon share: the tables' keys, values and sizes. crates/edge/src/dataplane/layout.rs says the same in
// Rust. Tables are pinned and outlive a daemon, so whoever changes anything here raises LAYOUT_VERSION in both files: a
// daemon that finds tables of another version removes them and begins anew.
//
// Numbers are in host byte order, addresses and tags' surroundings as they are on the wire. An IPv4 address in a
// 16-byte field is written as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).

#ifndef CAUSEWAY_LAYOUT_H
#define CAUSEWAY_LAYOUT_H

#define LAYOUT_VERSION 1

#define MAX_ATTACHMENTS 65536 // attachments are numbered 1 to 65535; the daemon may load the tables smaller
#define MAX_VRFS 65536
#define MAX_GROUPS 16384
#define MAX_NEXT_HOPS 16384
#define MAX_INTERFACES 8192
#define MAX_NEIGHBORS 65536
#define MAX_UNDERLAY_HOPS 4096
#define GROUP_BUCKETS 64

struct mac {
	__u8 bytes[6];
};

struct address {
	__u8 bytes[16];
};

// How frames of an attachment look outside.
enum attachment_kind {
	ATTACHMENT_NONE = 0, // no such attachment
	ATTACHMENT_PORT = 1, // frames on a port, with tags
	ATTACHMENT_VXLAN = 2,
	ATTACHMENT_CROSS = 3, // frames that arrive leave by `port_ifindex` with the tags given, whatever is in them
};

// One cache line, found by the attachment's number. It says where its frames arrive, too: a number that passes from one
// attachment to another is seen in the tables one after the other, and what arrives at the old place must not be taken
// for the new owner's.
struct attachment {
	__u32 vrf;
	__u8 kind;
	__u8 reserved;
	__u16 mtu; // largest IP packet
	__u32 port_ifindex;
	__u32 host_ifindex; // of a cross-connect: the port that its frames arrive on
	__u16 s_tag;        // 0: no such tag
	__u16 c_tag;
	__u32 vni; // of a cross-connect: the tags that its frames arrive with, S-tag << 16 | C-tag
	struct mac host_mac;
	__u16 underlay; // how `remote` is reached: an index of that table
	struct address local;
	struct address remote;
} __attribute__((aligned(4)));

// Where an untunnelled frame arrives.
struct place {
	__u32 ifindex;
	__u16 s_tag;
	__u16 c_tag;
};

// Where a tunnelled frame arrives.
struct tunnel {
	__u32 vni;
	struct address remote;
};

struct prefix4 {
	__u32 length;
	__u8 address[4];
};

struct prefix6 {
	__u32 length;
	__u8 address[16];
};

enum route_kind {
	ROUTE_GROUP = 1,   // id: a group
	ROUTE_ON_LINK = 2, // id: an attachment; the destination itself is the neighbour
	ROUTE_LOCAL = 3,   // id: an attachment; the destination is the edge itself
};

struct route {
	__u32 kind;
	__u32 id;
};

// Next hops by a flow's hash; 0 where there is none. Rewriting this one entry moves every prefix that uses the group.
struct group {
	__u32 next_hops[GROUP_BUCKETS];
};

struct next_hop {
	__u32 attachment;
	struct mac mac;
	__u16 is_resolved;
	struct address address;
};

struct neighbor {
	__u32 attachment;
	struct address address;
};

struct underlay_hop {
	__u32 ifindex; // 0: not at all
	struct mac source;
	struct mac destination;
	struct address remote;
};

struct counters {
	__u64 packets_in;
	__u64 bytes_in;
	__u64 packets_out;
	__u64 bytes_out;
	__u64 packets_to_host;
	__u64 packets_from_host;
};

enum drop_reason {
#define DROP_REASON(word) DROP_##word,
#include "drop_reasons.def"
#undef DROP_REASON
	DROP_REASONS,
};

_Static_assert(sizeof(struct attachment) == 64, "as in layout.rs");
_Static_assert(sizeof(struct place) == 8, "as in layout.rs");
_Static_assert(sizeof(struct tunnel) == 20, "as in layout.rs");
_Static_assert(sizeof(struct route) == 8, "as in layout.rs");
_Static_assert(sizeof(struct group) == 256, "as in layout.rs");
_Static_assert(sizeof(struct next_hop) == 28, "as in layout.rs");
_Static_assert(sizeof(struct neighbor) == 20, "as in layout.rs");
_Static_assert(sizeof(struct underlay_hop) == 32, "as in layout.rs");
_Static_assert(sizeof(struct counters) == 48, "as in layout.rs");

// One table. Hashes are filled on demand, so that their size is a limit and not a cost.
#define TABLE(table_name, table_type, key_type, value_type, entries, flags)                                            \
	struct {                                                                                                       \
		__uint(type, table_type);                                                                              \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
	} table_name SEC(".maps")

TABLE(fabric_ports, BPF_MAP_TYPE_HASH, __u32, __u32, MAX_INTERFACES, BPF_F_NO_PREALLOC);
TABLE(places, BPF_MAP_TYPE_HASH, struct place, __u32, MAX_ATTACHMENTS, BPF_F_NO_PREALLOC);
TABLE(tunnels, BPF_MAP_TYPE_HASH, struct tunnel, __u32, MAX_ATTACHMENTS, BPF_F_NO_PREALLOC);
TABLE(host_interfaces, BPF_MAP_TYPE_HASH, __u32, __u32, MAX_ATTACHMENTS, BPF_F_NO_PREALLOC);
TABLE(attachments, BPF_MAP_TYPE_ARRAY, __u32, struct attachment, MAX_ATTACHMENTS, 0);
TABLE(groups, BPF_MAP_TYPE_ARRAY, __u32, struct group, MAX_GROUPS, 0);
TABLE(next_hops, BPF_MAP_TYPE_ARRAY, __u32, struct next_hop, MAX_NEXT_HOPS, 0);
TABLE(neighbors, BPF_MAP_TYPE_HASH, struct neighbor, struct mac, MAX_NEIGHBORS, BPF_F_NO_PREALLOC);
TABLE(underlay, BPF_MAP_TYPE_ARRAY, __u32, struct underlay_hop, MAX_UNDERLAY_HOPS, 0);
TABLE(devices, BPF_MAP_TYPE_DEVMAP_HASH, __u32, __u32, MAX_INTERFACES + MAX_ATTACHMENTS, 0);
TABLE(counters, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct counters, MAX_ATTACHMENTS, 0);
TABLE(drops, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 64, 0);

// Each VRF has its own small tries: another VRF's routes cost it nothing, and can't be reached from it.
struct trie4 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct prefix4));
	__uint(value_size, sizeof(struct route));
};

struct trie6 {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct prefix6));
	__uint(value_size, sizeof(struct route));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_VRFS);
	__type(key, __u32);
	__array(values, struct trie4);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_VRFS);
	__type(key, __u32);
	__array(values, struct trie6);
} routes6 SEC(".maps");

// Set before loading. It differs between edges, so that two edges in a row do not spread flows alike: the second would
// see only flows of half its buckets.
// It has a section of its own, since compilers put constants of theirs into the common one.
const volatile __u32 flow_seed SEC(".rodata.seed") = 0;

#endif
