// For measuring only: the same programs, and a way to run one over and over on one packet. A program that changes its
// packet finds its own output the second time; `bench_port` puts the packet back after each run, and `bench_restore`
// does only that, so that its cost can be taken off.

#include "causeway.bpf.c"

#define PACKET_START 96

struct packet_start {
	__u8 bytes[PACKET_START];
};

TABLE(bench_packets, BPF_MAP_TYPE_ARRAY, __u32, struct packet_start, 65536, 0);
TABLE(bench_settings, BPF_MAP_TYPE_ARRAY, __u32, __u32, 4, 0); // [0] how many packets, [1] which is next, [2] device

static __always_inline int restore(struct xdp_md *ctx, __u32 length)
{
	__u32 zero = 0, one = 1, index;
	__u32 *count = bpf_map_lookup_elem(&bench_settings, &zero);
	__u32 *next = bpf_map_lookup_elem(&bench_settings, &one);
	struct packet_start *packet;
	void *data;

	if (!count || !next)
		return -1;
	index = *next;
	*next = index + 1 >= *count ? 0 : index + 1;
	packet = bpf_map_lookup_elem(&bench_packets, &index);
	if (!packet)
		return -1;
	if (bpf_xdp_adjust_head(ctx, (int)bpf_xdp_get_buff_len(ctx) - (int)length))
		return -1;
	data = (void *)(long)ctx->data;
	if (data + sizeof(*packet) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(data, packet, sizeof(*packet));
	return 0;
}

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

// The floor: one redirect through the device table.
SEC("xdp.frags")
int bench_redirect(struct xdp_md *ctx)
{
	__u32 two = 2;
	__u32 *device = bpf_map_lookup_elem(&bench_settings, &two);
	int action = device ? redirect(*device) : XDP_ABORTED;
	if (restore(ctx, bpf_xdp_get_buff_len(ctx)))
		return XDP_ABORTED;
	return action;
}
