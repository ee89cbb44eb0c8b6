// What is known about a frame on its way through, and how one ends: counted and dropped, or counted and redirected.

#ifndef CAUSEWAY_FRAME_H
#define CAUSEWAY_FRAME_H

#define ETHERNET_HEADER 14
#define TAG 4
#define VXLAN_PORT 4789

#define TYPE_IPV4 bpf_htons(0x0800)
#define TYPE_ARP bpf_htons(0x0806)
#define TYPE_IPV6 bpf_htons(0x86dd)
#define TYPE_CUSTOMER_TAG bpf_htons(0x8100)
#define TYPE_SERVICE_TAG bpf_htons(0x88a8)

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_SCTP 132

struct ethernet {
	struct mac destination;
	struct mac source;
	__be16 type;
};

struct tag {
	__be16 control; // priority (3 bits), drop eligible (1), VLAN (12)
	__be16 type;    // of what follows
};

struct ipv4 {
	__u8 version_length;
	__u8 service;
	__be16 total_length;
	__be16 identification;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6 {
	__be32 version_class_flow;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__be32 source[4];
	__be32 destination[4];
};

struct udp {
	__be16 source;
	__be16 destination;
	__be16 length;
	__be16 checksum;
};

struct vxlan {
	__be32 flags;
	__be32 vni; // in the upper 24 bits
};

struct frame {
	__u32 attachment; // that it arrived on
	__u32 l3;         // where the network header begins
	__u32 length;     // of all of it
	__u32 packet;     // length of the IP packet
	__u32 flow;       // hash of what its flow is known by
	__be16 type;      // of the network header
	__u16 priority;   // the outer tag's upper four bits
	struct mac destination;
	struct mac source;
};

// A place in the frame. The longest headers end before 128 bytes; said in a way that the compiler can't take out again,
// because the kernel's verifier wants to see it.
static __always_inline void *at(void *data, __u32 offset)
{
	asm volatile("" : "+r"(offset));
	return data + (offset & 127);
}

// IPv4 in a 16-byte field.
static __always_inline void write_mapped(struct address *to, __be32 address)
{
	__u32 *words = (__u32 *)to;
	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

static __always_inline void copy_address(struct address *to, const void *from)
{
	__builtin_memcpy(to, from, sizeof(*to));
}

static __always_inline int is_same_address(const struct address *a, const struct address *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

static __always_inline int is_mapped(const struct address *a)
{
	const __u32 *x = (const __u32 *)a;
	return x[0] == 0 && x[1] == 0 && x[2] == bpf_htonl(0xffff);
}

static __always_inline int is_same_mac(const struct mac *a, const struct mac *b)
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x85ebca6b;
	return hash ^ (hash >> 13);
}

static __noinline int drop(enum drop_reason reason)
{
	__u32 key = reason;
	__u64 *count = bpf_map_lookup_elem(&drops, &key);
	if (count)
		*count += 1;
	return XDP_DROP;
}

// Whether the frame is on its way; if not, that is counted.
static __always_inline int redirect(__u32 ifindex)
{
	int action = bpf_redirect_map(&devices, ifindex, XDP_DROP);
	if (action != XDP_REDIRECT)
		return drop(DROP_no_device);
	return action;
}

static __always_inline void count_through(__u32 in, __u32 out, __u32 bytes)
{
	struct counters *counter = bpf_map_lookup_elem(&counters, &in);
	if (counter) {
		counter->packets_in += 1;
		counter->bytes_in += bytes;
	}
	counter = bpf_map_lookup_elem(&counters, &out);
	if (counter) {
		counter->packets_out += 1;
		counter->bytes_out += bytes;
	}
}

static __always_inline void count_to_host(__u32 attachment)
{
	struct counters *counter = bpf_map_lookup_elem(&counters, &attachment);
	if (counter)
		counter->packets_to_host += 1;
}

static __always_inline void count_from_host(__u32 attachment)
{
	struct counters *counter = bpf_map_lookup_elem(&counters, &attachment);
	if (counter)
		counter->packets_from_host += 1;
}

#endif
