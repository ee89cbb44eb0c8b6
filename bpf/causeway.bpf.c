// The data plane. Two programs: one for frames that arrive on a port, whatever kind of port it is, and one for frames
// that the kernel sends out of an attachment's host interface.
//
//   port -> tags -> attachment -+- a cross-connect's: other tags, other port
//        -> VXLAN -> attachment -+- a VRF's: route.h decides, emit.h writes
//        -> fabric port, neither: the kernel's (the underlay's own ARP, ND, ICMP)
//   host interface -> its attachment's tags or tunnel
//
// layout.h holds the tables, drop_reasons.def says why packets are dropped.

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "frame.h"
#include "emit.h"
#include "route.h"

static __always_inline int is_tag(__be16 type)
{
	return type == TYPE_CUSTOMER_TAG || type == TYPE_SERVICE_TAG;
}

// A frame on a fabric port without tags: a tunnel's, or the kernel's.
static __always_inline int tunnel_frame(struct xdp_md *ctx, struct frame *frame)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tunnel key;
	struct address local;
	struct attachment *attachment;
	struct vxlan *vxlan;
	struct ethernet *inner;
	struct udp *udp;
	__u32 *id;

	if (frame->type == TYPE_IPV4) {
		struct ipv4 *ip = data + ETHERNET_HEADER;
		if ((void *)(ip + 1) > end)
			return drop(DROP_malformed);
		if (ip->version_length != 0x45 || ip->protocol != PROTOCOL_UDP || (ip->fragment & bpf_htons(0x3fff)))
			return XDP_PASS;
		write_mapped(&key.remote, ip->source);
		write_mapped(&local, ip->destination);
		udp = (void *)(ip + 1);
		frame->l3 = VXLAN_OVERHEAD_IPV4 + ETHERNET_HEADER;
	} else if (frame->type == TYPE_IPV6) {
		struct ipv6 *ip = data + ETHERNET_HEADER;
		if ((void *)(ip + 1) > end)
			return drop(DROP_malformed);
		if (ip->next_header != PROTOCOL_UDP)
			return XDP_PASS;
		copy_address(&key.remote, ip->source);
		copy_address(&local, ip->destination);
		udp = (void *)(ip + 1);
		frame->l3 = VXLAN_OVERHEAD_IPV6 + ETHERNET_HEADER;
	} else {
		return XDP_PASS;
	}
	if ((void *)(udp + 1) > end)
		return drop(DROP_malformed);
	if (udp->destination != bpf_htons(VXLAN_PORT))
		return XDP_PASS;
	vxlan = (void *)(udp + 1);
	inner = (void *)(vxlan + 1);
	if ((void *)(inner + 1) > end || !(vxlan->flags & bpf_htonl(0x08000000)))
		return drop(DROP_malformed);
	key.vni = bpf_ntohl(vxlan->vni) >> 8;
	id = bpf_map_lookup_elem(&tunnels, &key);
	if (!id)
		return drop(DROP_unknown_tunnel);
	frame->attachment = *id;
	attachment = bpf_map_lookup_elem(&attachments, &frame->attachment);
	if (!attachment || attachment->kind != ATTACHMENT_VXLAN || attachment->vni != key.vni ||
	    !is_same_address(&local, &attachment->local) || !is_same_address(&key.remote, &attachment->remote))
		return drop(DROP_unknown_tunnel);
	frame->type = inner->type;
	if (is_tag(frame->type)) // RFC 7348 section 6.1
		return drop(DROP_unknown_tags);
	return route_frame(ctx, frame, attachment, frame->l3 - ETHERNET_HEADER);
}

static __always_inline int cross_connect(struct xdp_md *ctx, struct frame *frame, const struct attachment *out)
{
	struct ethernet *eth = (void *)(long)ctx->data;
	__u32 bytes = frame->length - frame->l3;
	int action;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return drop(DROP_malformed);
	frame->destination = eth->destination;
	frame->source = eth->source;
	action = emit_on_port(ctx, frame, out, &frame->destination, &frame->source);
	if (action == XDP_REDIRECT)
		count_through(frame->attachment, frame->attachment, bytes);
	return action;
}

static __always_inline int port_frame(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethernet *eth = data;
	struct tag *tag = data + ETHERNET_HEADER;
	struct frame frame = {.l3 = ETHERNET_HEADER};
	struct place place = {.ifindex = ctx->ingress_ifindex};
	struct attachment *attachment;
	__u32 *id;

	if ((void *)(eth + 1) > end)
		return drop(DROP_malformed);
	frame.length = bpf_xdp_get_buff_len(ctx);
	frame.type = eth->type;
	if (is_tag(frame.type)) {
		__u16 control;
		if ((void *)(tag + 1) > end)
			return drop(DROP_malformed);
		control = bpf_ntohs(tag->control);
		frame.priority = control & 0xf000;
		place.c_tag = control & 0xfff;
		frame.type = tag->type;
		frame.l3 += TAG;
		if (place.c_tag == 0)
			return drop(DROP_unknown_tags);
		if (is_tag(frame.type)) {
			if ((void *)(tag + 2) > end)
				return drop(DROP_malformed);
			place.s_tag = place.c_tag;
			place.c_tag = bpf_ntohs(tag[1].control) & 0xfff;
			frame.type = tag[1].type;
			frame.l3 += TAG;
			if (place.c_tag == 0)
				return drop(DROP_unknown_tags);
		}
	} else if (bpf_map_lookup_elem(&fabric_ports, &place.ifindex)) {
		return tunnel_frame(ctx, &frame);
	}

	id = bpf_map_lookup_elem(&places, &place);
	if (!id)
		return drop(DROP_unknown_tags);
	frame.attachment = *id;
	attachment = bpf_map_lookup_elem(&attachments, &frame.attachment);
	if (!attachment)
		return drop(DROP_unknown_tags);
	if (attachment->kind == ATTACHMENT_CROSS) {
		if (attachment->host_ifindex != place.ifindex ||
		    attachment->vni != ((__u32)place.s_tag << 16 | place.c_tag))
			return drop(DROP_unknown_tags);
		return cross_connect(ctx, &frame, attachment);
	}
	if (attachment->kind != ATTACHMENT_PORT || attachment->port_ifindex != place.ifindex ||
	    attachment->s_tag != place.s_tag || attachment->c_tag != place.c_tag)
		return drop(DROP_unknown_tags);
	return route_frame(ctx, &frame, attachment, 0);
}

SEC("xdp.frags")
int causeway_port(struct xdp_md *ctx)
{
	return port_frame(ctx);
}

SEC("xdp.frags")
int causeway_host(struct xdp_md *ctx)
{
	struct ethernet *eth = (void *)(long)ctx->data;
	struct frame frame = {.l3 = ETHERNET_HEADER};
	__u32 ifindex = ctx->ingress_ifindex;
	struct attachment *out;
	__u32 *id;
	int action;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return drop(DROP_malformed);
	id = bpf_map_lookup_elem(&host_interfaces, &ifindex);
	if (!id)
		return drop(DROP_next_hop_down);
	frame.attachment = *id;
	out = bpf_map_lookup_elem(&attachments, &frame.attachment);
	if (!out || out->host_ifindex != ifindex || out->kind == ATTACHMENT_CROSS)
		return drop(DROP_next_hop_down);
	frame.length = bpf_xdp_get_buff_len(ctx);
	frame.type = eth->type;
	frame.destination = eth->destination;
	frame.source = eth->source;
	// Sessions of one attachment take one way through the underlay.
	frame.flow = finish_hash(mix(flow_seed, frame.attachment));
	action = emit(ctx, &frame, out, &frame.destination, &frame.source, 0xc0); // DSCP CS6: network control
	if (action == XDP_REDIRECT)
		count_from_host(frame.attachment);
	return action;
}

char _license[] SEC("license") = "Apache-2.0";
