// Writing the headers in front of the network header anew, and sending the frame off. Everything that is decided is
// decided before; from here on a frame is either sent or dropped for want of room, underlay or interface.

#ifndef CAUSEWAY_EMIT_H
#define CAUSEWAY_EMIT_H

#define OUTER_TTL 64
#define DONT_FRAGMENT bpf_htons(0x4000)
#define VXLAN_OVERHEAD_IPV4 (ETHERNET_HEADER + sizeof(struct ipv4) + sizeof(struct udp) + sizeof(struct vxlan))
#define VXLAN_OVERHEAD_IPV6 (ETHERNET_HEADER + sizeof(struct ipv6) + sizeof(struct udp) + sizeof(struct vxlan))

// Makes exactly `header` bytes of room before the network header. The frame's bytes must be looked up again after it.
static __always_inline int make_room(struct xdp_md *ctx, const struct frame *frame, __u32 header)
{
	int delta = (int)frame->l3 - (int)header;
	if (delta == 0)
		return 0;
	return bpf_xdp_adjust_head(ctx, delta);
}

static __always_inline void write_ethernet(struct ethernet *eth, const struct mac *destination, const struct mac *source,
					   __be16 type)
{
	eth->destination = *destination;
	eth->source = *source;
	eth->type = type;
}

// Both tags have ethertype 0x8100, as the field's routers expect.
static __always_inline int emit_on_port(struct xdp_md *ctx, const struct frame *frame, const struct attachment *out,
					const struct mac *destination, const struct mac *source)
{
	__u32 tags = (out->s_tag != 0) + (out->c_tag != 0);
	void *data, *end;
	struct ethernet *eth;
	struct tag *tag;

	if (tags == 0) {
		if (make_room(ctx, frame, ETHERNET_HEADER))
			return drop(DROP_no_room);
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		eth = data;
		if (data + ETHERNET_HEADER > end)
			return drop(DROP_no_room);
		write_ethernet(eth, destination, source, frame->type);
	} else if (tags == 1) {
		if (make_room(ctx, frame, ETHERNET_HEADER + TAG))
			return drop(DROP_no_room);
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		eth = data;
		if (data + ETHERNET_HEADER + TAG > end)
			return drop(DROP_no_room);
		write_ethernet(eth, destination, source, TYPE_CUSTOMER_TAG);
		tag = data + ETHERNET_HEADER;
		tag->control = bpf_htons(frame->priority | out->c_tag);
		tag->type = frame->type;
	} else {
		if (make_room(ctx, frame, ETHERNET_HEADER + 2 * TAG))
			return drop(DROP_no_room);
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		eth = data;
		if (data + ETHERNET_HEADER + 2 * TAG > end)
			return drop(DROP_no_room);
		write_ethernet(eth, destination, source, TYPE_CUSTOMER_TAG);
		tag = data + ETHERNET_HEADER;
		tag[0].control = bpf_htons(frame->priority | out->s_tag);
		tag[0].type = TYPE_CUSTOMER_TAG;
		tag[1].control = bpf_htons(frame->priority | out->c_tag);
		tag[1].type = frame->type;
	}
	return redirect(out->port_ifindex);
}

static __always_inline __be16 ipv4_checksum(const struct ipv4 *ip)
{
	const __u16 *words = (const __u16 *)ip;
	__u32 sum = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

// From UDP onward: the source port carries the flow's hash, for the underlay's own load sharing (RFC 7348 section 5).
// The checksum is zero, which for IPv6 RFC 6935 allows tunnels.
static __always_inline void write_vxlan(void *at, const struct frame *frame, const struct attachment *out, __u16 inner,
					const struct mac *destination, const struct mac *source)
{
	struct udp *udp = at;
	struct vxlan *vxlan = at + sizeof(*udp);
	udp->source = bpf_htons(0xc000 | ((frame->flow >> 16) & 0x3fff));
	udp->destination = bpf_htons(VXLAN_PORT);
	udp->length = bpf_htons(sizeof(*udp) + sizeof(*vxlan) + inner);
	udp->checksum = 0;
	vxlan->flags = bpf_htonl(0x08000000);
	vxlan->vni = bpf_htonl(out->vni << 8);
	write_ethernet((void *)(vxlan + 1), destination, source, frame->type);
}

// `service` is the packet's DSCP in its place; ECN is not carried outside (RFC 6040 section 4.1, compatibility mode).
static __always_inline int emit_in_tunnel(struct xdp_md *ctx, const struct frame *frame, const struct attachment *out,
					  const struct mac *destination, const struct mac *source, __u8 service)
{
	__u16 inner = frame->length - frame->l3 + ETHERNET_HEADER;
	__u32 index = out->underlay;
	struct underlay_hop *hop = bpf_map_lookup_elem(&underlay, &index);
	void *data, *end;

	if (!hop || hop->ifindex == 0)
		return drop(DROP_no_underlay);
	if (is_mapped(&out->remote)) {
		struct ipv4 *ip;
		if (make_room(ctx, frame, VXLAN_OVERHEAD_IPV4 + ETHERNET_HEADER))
			return drop(DROP_no_room);
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		if (data + VXLAN_OVERHEAD_IPV4 + ETHERNET_HEADER > end)
			return drop(DROP_no_room);
		write_ethernet(data, &hop->destination, &hop->source, TYPE_IPV4);
		ip = data + ETHERNET_HEADER;
		ip->version_length = 0x45;
		ip->service = service;
		ip->total_length =
			bpf_htons(sizeof(struct ipv4) + sizeof(struct udp) + sizeof(struct vxlan) + inner);
		ip->identification = 0;
		ip->fragment = DONT_FRAGMENT;
		ip->ttl = OUTER_TTL;
		ip->protocol = PROTOCOL_UDP;
		ip->checksum = 0;
		ip->source = ((const __u32 *)&out->local)[3];
		ip->destination = ((const __u32 *)&out->remote)[3];
		ip->checksum = ipv4_checksum(ip);
		write_vxlan(ip + 1, frame, out, inner, destination, source);
	} else {
		struct ipv6 *ip;
		if (make_room(ctx, frame, VXLAN_OVERHEAD_IPV6 + ETHERNET_HEADER))
			return drop(DROP_no_room);
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		if (data + VXLAN_OVERHEAD_IPV6 + ETHERNET_HEADER > end)
			return drop(DROP_no_room);
		write_ethernet(data, &hop->destination, &hop->source, TYPE_IPV6);
		ip = data + ETHERNET_HEADER;
		ip->version_class_flow = bpf_htonl(6u << 28 | (__u32)service << 20);
		ip->payload_length = bpf_htons(sizeof(struct udp) + sizeof(struct vxlan) + inner);
		ip->next_header = PROTOCOL_UDP;
		ip->hop_limit = OUTER_TTL;
		copy_address((struct address *)ip->source, &out->local);
		copy_address((struct address *)ip->destination, &out->remote);
		write_vxlan(ip + 1, frame, out, inner, destination, source);
	}
	return redirect(hop->ifindex);
}

static __always_inline int emit(struct xdp_md *ctx, const struct frame *frame, const struct attachment *out,
				const struct mac *destination, const struct mac *source, __u8 service)
{
	if (out->kind == ATTACHMENT_PORT)
		return emit_on_port(ctx, frame, out, destination, source);
	if (out->kind == ATTACHMENT_VXLAN)
		return emit_in_tunnel(ctx, frame, out, destination, source, service);
	return drop(DROP_next_hop_down);
}

// To the kernel's end of an attachment's host interface, as an untagged frame.
static __noinline int emit_to_host(struct xdp_md *ctx, const struct frame *frame, __u32 id,
				   const struct attachment *attachment, const struct mac *destination)
{
	void *data, *end;
	int action;

	if (make_room(ctx, frame, ETHERNET_HEADER))
		return drop(DROP_no_room);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ETHERNET_HEADER > end)
		return drop(DROP_no_room);
	write_ethernet(data, destination, &frame->source, frame->type);
	action = redirect(attachment->host_ifindex);
	if (action == XDP_REDIRECT)
		count_to_host(id);
	return action;
}

#endif
