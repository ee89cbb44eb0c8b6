// A packet on an attachment: is it for the edge itself, where does it go, may it go there?
//
//   ARP, neighbour discovery, link-local, own addresses  -> the attachment's host interface
//   routes[VRF][destination], longest prefix             -> group -> bucket by the flow's hash -> next hop
//                                                        or an attachment on whose link the destination is
//   TTL, size, VRF of the way out                        -> emit
//
// Nothing is changed in the packet before all of that is known.

#ifndef CAUSEWAY_ROUTE_H
#define CAUSEWAY_ROUTE_H

// The way out, found by forward4 or forward6.
struct way {
	__u32 attachment;
	struct mac mac;
	__u8 service;
};

// The part of a flow's hash that both families share: ports, where the packet shows them.
static __always_inline __u32 hash_ports(void *ports, void *end, __u8 protocol, __u32 hash)
{
	if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP && protocol != PROTOCOL_SCTP)
		return hash;
	if (ports + 4 > end)
		return hash;
	return mix(hash, *(__u32 *)ports);
}

static __always_inline __u32 finish_hash(__u32 hash)
{
	hash *= 0xc2b2ae35;
	return hash ^ (hash >> 16);
}

// Follows a route to its way out. Below zero: found; otherwise the frame's fate.
static __always_inline int follow(struct xdp_md *ctx, const struct frame *frame, const struct attachment *in,
				  const struct route *route, const struct address *destination, __u8 ttl,
				  struct way *way)
{
	if (route->kind == ROUTE_LOCAL) {
		if (route->id != frame->attachment)
			return drop(DROP_foreign_address);
		return emit_to_host(ctx, frame, frame->attachment, in, &in->host_mac);
	}
	if (ttl <= 1)
		return drop(DROP_ttl_expired);
	if (route->kind == ROUTE_ON_LINK) {
		struct neighbor key = {.attachment = route->id, .address = *destination};
		struct mac *mac = bpf_map_lookup_elem(&neighbors, &key);
		way->attachment = route->id;
		if (!mac) {
			// The kernel at the attachment resolves the neighbour and forwards this one; TTL is its business.
			struct attachment *out = bpf_map_lookup_elem(&attachments, &way->attachment);
			if (!out || out->kind == ATTACHMENT_NONE)
				return drop(DROP_next_hop_down);
			if (out->vrf != in->vrf)
				return drop(DROP_wrong_vrf);
			return emit_to_host(ctx, frame, route->id, out, &out->host_mac);
		}
		way->mac = *mac;
		return -1;
	}
	if (route->kind == ROUTE_GROUP) {
		__u32 id = route->id;
		struct group *group = bpf_map_lookup_elem(&groups, &id);
		struct next_hop *next_hop;
		if (!group)
			return drop(DROP_next_hop_down);
		id = group->next_hops[frame->flow % GROUP_BUCKETS];
		if (id == 0)
			return drop(DROP_next_hop_down);
		next_hop = bpf_map_lookup_elem(&next_hops, &id);
		if (!next_hop || next_hop->attachment == 0)
			return drop(DROP_next_hop_down);
		if (!next_hop->is_resolved)
			return drop(DROP_neighbor_unknown);
		way->attachment = next_hop->attachment;
		way->mac = next_hop->mac;
		return -1;
	}
	return drop(DROP_no_route);
}

static __always_inline int forward4(struct xdp_md *ctx, struct frame *frame, const struct attachment *in,
				    struct way *way)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv4 *ip = at(data, frame->l3);
	struct prefix4 key = {.length = 32};
	struct address destination;
	struct route *route;
	__u32 header, first, hash;
	__u32 vrf = in->vrf;
	void *trie;

	if ((void *)(ip + 1) > end)
		return drop(DROP_malformed);
	header = (ip->version_length & 15) * 4;
	frame->packet = bpf_ntohs(ip->total_length);
	if (ip->version_length >> 4 != 4 || header < sizeof(*ip) || frame->packet < header ||
	    frame->l3 + frame->packet > frame->length)
		return drop(DROP_malformed);
	first = bpf_ntohl(ip->destination) >> 24;
	if (first >= 224 || first == 127 || first == 0)
		return drop(DROP_not_unicast);
	first = bpf_ntohl(ip->source) >> 24;
	if (first >= 224 || first == 127 || first == 0)
		return drop(DROP_bad_source);

	hash = mix(mix(mix(flow_seed, ip->source), ip->destination), ip->protocol);
	if ((ip->fragment & bpf_htons(0x3fff)) == 0) // fragments have no ports but in the first
		hash = hash_ports((void *)ip + header, end, ip->protocol, hash);
	frame->flow = finish_hash(hash);

	trie = bpf_map_lookup_elem(&routes4, &vrf);
	if (!trie)
		return drop(DROP_no_route);
	__builtin_memcpy(key.address, &ip->destination, 4);
	route = bpf_map_lookup_elem(trie, &key);
	if (!route)
		return drop(DROP_no_route);
	write_mapped(&destination, ip->destination);
	way->service = ip->service & 0xfc;
	return follow(ctx, frame, in, route, &destination, ip->ttl, way);
}

static __always_inline int forward6(struct xdp_md *ctx, struct frame *frame, const struct attachment *in,
				    struct way *way)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6 *ip = at(data, frame->l3);
	struct prefix6 key = {.length = 128};
	struct route *route;
	__u32 first, hash, is_of_link;
	__u32 vrf = in->vrf;
	void *trie;

	if ((void *)(ip + 1) > end)
		return drop(DROP_malformed);
	first = bpf_ntohl(ip->version_class_flow);
	frame->packet = sizeof(*ip) + bpf_ntohs(ip->payload_length);
	if (first >> 28 != 6 || frame->l3 + frame->packet > frame->length)
		return drop(DROP_malformed);
	way->service = (first >> 20) & 0xfc;
	first = bpf_ntohl(ip->destination[0]);
	if (first >> 22 == 0x3fa) // fe80::/10
		return emit_to_host(ctx, frame, frame->attachment, in, &frame->destination);
	if (first >> 24 == 0xff) {
		if ((first >> 16 & 15) == 2) // of the link: neighbour discovery among others
			return emit_to_host(ctx, frame, frame->attachment, in, &frame->destination);
		return drop(DROP_not_unicast);
	}
	if (first == 0 && ip->destination[1] == 0 && ip->destination[2] == 0)
		return drop(DROP_not_unicast);
	first = bpf_ntohl(ip->source[0]);
	is_of_link = first >> 22 == 0x3fa;
	if (first >> 24 == 0xff || (first == 0 && ip->source[1] == 0 && ip->source[2] == 0))
		return drop(DROP_bad_source);

	hash = flow_seed;
#pragma unroll
	for (int i = 0; i < 4; i++)
		hash = mix(hash, ip->source[i]);
#pragma unroll
	for (int i = 0; i < 4; i++)
		hash = mix(hash, ip->destination[i]);
	hash = mix(hash, ip->next_header);
	frame->flow = finish_hash(hash_ports(ip + 1, end, ip->next_header, hash));

	trie = bpf_map_lookup_elem(&routes6, &vrf);
	if (!trie)
		return drop(DROP_no_route);
	__builtin_memcpy(key.address, ip->destination, 16);
	route = bpf_map_lookup_elem(trie, &key);
	// A neighbour asks from its link-local address whether we are still there (RFC 4861 section 7.3), at an address of
	// ours; beyond the link nothing goes that comes from there (RFC 4291 section 2.5.6).
	if (is_of_link && (!route || route->kind != ROUTE_LOCAL))
		return drop(DROP_bad_source);
	if (!route)
		return drop(DROP_no_route);
	return follow(ctx, frame, in, route, (const struct address *)key.address, ip->hop_limit, way);
}

// Takes one from the TTL; the checksum follows by one addition (RFC 1624).
static __always_inline int decrement_ttl(struct xdp_md *ctx, const struct frame *frame)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (frame->type == TYPE_IPV4) {
		struct ipv4 *ip = at(data, frame->l3);
		__u32 sum;
		if ((void *)(ip + 1) > end)
			return -1;
		sum = (__u32)ip->checksum + bpf_htons(0x0100);
		ip->checksum = sum + (sum >= 0xffff);
		ip->ttl -= 1;
	} else {
		struct ipv6 *ip = at(data, frame->l3);
		if ((void *)(ip + 1) > end)
			return -1;
		ip->hop_limit -= 1;
	}
	return 0;
}

// A frame of an attachment; `ethernet` is where its (inner) Ethernet header begins.
static __noinline int route_frame(struct xdp_md *ctx, struct frame *frame, const struct attachment *in, __u32 ethernet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethernet *eth = at(data, ethernet);
	struct attachment *out;
	struct way way = {};
	int is_group_address, action;

	if ((void *)(eth + 1) > end)
		return drop(DROP_malformed);
	frame->destination = eth->destination;
	frame->source = eth->source;
	is_group_address = frame->destination.bytes[0] & 1;
	if (!is_group_address && !is_same_mac(&frame->destination, &in->host_mac))
		return drop(DROP_wrong_mac);
	if (frame->type == TYPE_ARP)
		return emit_to_host(ctx, frame, frame->attachment, in, &frame->destination);
	if (frame->type == TYPE_IPV4) {
		if (is_group_address) // RFC 1812 section 5.3.4: no link-layer broadcast is forwarded
			return drop(DROP_not_unicast);
		action = forward4(ctx, frame, in, &way);
	} else if (frame->type == TYPE_IPV6) {
		action = forward6(ctx, frame, in, &way);
	} else {
		return drop(DROP_not_ip);
	}
	if (action >= 0)
		return action;

	if (is_group_address)
		return drop(DROP_not_unicast);
	out = bpf_map_lookup_elem(&attachments, &way.attachment);
	if (!out || out->kind == ATTACHMENT_NONE)
		return drop(DROP_next_hop_down);
	if (out->vrf != in->vrf)
		return drop(DROP_wrong_vrf);
	if (frame->packet > out->mtu)
		return drop(DROP_too_big);
	if (decrement_ttl(ctx, frame))
		return drop(DROP_malformed);
	frame->priority = 0;
	action = emit(ctx, frame, out, &way.mac, &out->host_mac, way.service);
	if (action == XDP_REDIRECT)
		count_through(frame->attachment, way.attachment, frame->packet);
	return action;
}

#endif
