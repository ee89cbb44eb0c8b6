// For measuring only: the same programs, and a way to run one over and over on one packet. A program that changes its
// packet finds its own output the second time; `bench_port` puts the packet back after each run, and `bench_restore`
// does only that, so that its cost can be taken off.

#include "causeway.bpf.c"

#define PACKET_START 96

struct packet_start {
	__u8 bytes[PACKET_START];
};

enum bench_setting {
	BENCH_PACKETS = 0, // how many packets there are
	BENCH_NEXT = 1,    // which of them is next
	BENCH_DEVICE = 2,  // where the bare redirect sends them, in `devices`
};

TABLE(bench_packets, BPF_MAP_TYPE_ARRAY, __u32, struct packet_start, 65536, 0);
TABLE(bench_settings, BPF_MAP_TYPE_ARRAY, __u32, __u32, 4, 0);
TABLE(bench_generator, BPF_MAP_TYPE_DEVMAP_HASH, __u32, __u32, 1, 0); // [0] where generated packets leave
TABLE(bench_arrived, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 1, 0);

static __always_inline struct packet_start *next_packet(void)
{
	__u32 zero = BENCH_PACKETS, one = BENCH_NEXT, index;
	__u32 *count = bpf_map_lookup_elem(&bench_settings, &zero);
	__u32 *next = bpf_map_lookup_elem(&bench_settings, &one);

	if (!count || !next)
		return 0;
	index = *next;
	*next = index + 1 >= *count ? 0 : index + 1;
	return bpf_map_lookup_elem(&bench_packets, &index);
}

// The next packet in the place of the last, at the length that the first had.
static __always_inline int restore(struct xdp_md *ctx, __u32 length)
{
	struct packet_start *packet = next_packet();
	void *data;

	if (!packet || bpf_xdp_adjust_head(ctx, (int)bpf_xdp_get_buff_len(ctx) - (int)length))
		return -1;
	data = (void *)(long)ctx->data;
	if (data + sizeof(*packet) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(data, packet, sizeof(*packet));
	return 0;
}

static __always_inline int bare_redirect(void)
{
	__u32 key = BENCH_DEVICE;
	__u32 *device = bpf_map_lookup_elem(&bench_settings, &key);
	return device ? redirect(*device) : XDP_ABORTED;
}

// For BPF_PROG_TEST_RUN, which keeps the packet: the whole path, only the putting back, and the least that any program
// on this way would do.

SEC("xdp.frags")
int bench_port(struct xdp_md *ctx)
{
	__u32 length = bpf_xdp_get_buff_len(ctx);
	int action = port_frame(ctx);
	if (restore(ctx, length))
		return XDP_ABORTED;
	return action;
}

SEC("xdp.frags")
int bench_restore(struct xdp_md *ctx)
{
	if (restore(ctx, bpf_xdp_get_buff_len(ctx)))
		return XDP_ABORTED;
	return XDP_REDIRECT;
}

SEC("xdp.frags")
int bench_redirect(struct xdp_md *ctx)
{
	int action = bare_redirect();
	if (restore(ctx, bpf_xdp_get_buff_len(ctx)))
		return XDP_ABORTED;
	return action;
}

// For live frames: where they begin, what passes them on without looking, and where they end. A frame's page comes back
// as the last box left it, so that all headers are written each time.

#define GENERATED 64

SEC("xdp.frags")
int bench_generate(struct xdp_md *ctx)
{
	struct packet_start *packet = next_packet();
	void *data = (void *)(long)ctx->data;

	if (!packet || data + GENERATED > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, packet, GENERATED);
	return bpf_redirect_map(&bench_generator, 0, XDP_ABORTED);
}

SEC("xdp.frags")
int bench_bare(struct xdp_md *ctx)
{
	return bare_redirect();
}

SEC("xdp.frags")
int bench_sink(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&bench_arrived, &zero);
	if (count)
		*count += 1;
	return XDP_DROP;
}
