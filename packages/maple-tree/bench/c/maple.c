/*
 * The workloads of workloads.ts on the kernel's own maple tree, in user space. Built by c-tree.ts against a kernel
 * source tree: `maple_tree.c` and the headers of its test-suite are found by the compiler's search path, nothing of
 * the kernel is copied. Its allocator is replaced by a free list, so that malloc is not what is measured.
 *
 *   maple N local|shared    prints [{"workload", "nsPerOp", "check", "bytesPerRange"?}, …]; shared is RCU mode
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <inttypes.h>
#include "shared.h"
#include <linux/slab.h>
#include <linux/init.h>

#include "maple_tree.c"

#define BYTES_OF_PAGE 4096.0

/* ---- nodes: a stack of the writer's own, refilled with all that the RCU thread has freed ---- */

struct kmem_cache {
	unsigned int size;
};

struct free_node {
	struct free_node *next;
};

static struct kmem_cache only_cache;
static struct free_node *own;
static struct free_node *returned;
static long nodes_made;
static long nodes_live;
static char *fresh;
static char *fresh_end;

int test_verbose;
int kmalloc_verbose;
int nr_allocated;
int preempt_count;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, unsigned int flags,
				     void (*ctor)(void *))
{
	only_cache.size = size;
	return &only_cache;
}

static void *take_node(void)
{
	struct free_node *node = own;

	if (!node)
		node = __atomic_exchange_n(&returned, NULL, __ATOMIC_ACQUIRE);
	if (node) {
		own = node->next;
	} else {
		if (fresh == fresh_end) {
			size_t bytes = 256 * 4096;

			if (posix_memalign((void **)&fresh, 4096, bytes))
				abort();
			fresh_end = fresh + bytes;
		}
		node = (struct free_node *)fresh;
		fresh += 256;
		nodes_made++;
	}
	__atomic_fetch_add(&nodes_live, 1, __ATOMIC_RELAXED);
	return node;
}

void *kmem_cache_alloc_lru(struct kmem_cache *cachep, struct list_lru *lru, int gfp)
{
	void *node = take_node();

	if (gfp & __GFP_ZERO)
		memset(node, 0, 256);
	return node;
}

int kmem_cache_alloc_bulk(struct kmem_cache *cachep, gfp_t gfp, size_t size, void **p)
{
	for (size_t i = 0; i < size; i++)
		p[i] = kmem_cache_alloc_lru(cachep, NULL, gfp);
	return size;
}

void kmem_cache_free(struct kmem_cache *cachep, void *object)
{
	struct free_node *node = object;
	struct free_node *head = __atomic_load_n(&returned, __ATOMIC_RELAXED);

	do
		node->next = head;
	while (!__atomic_compare_exchange_n(&returned, &head, node, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	__atomic_fetch_sub(&nodes_live, 1, __ATOMIC_RELAXED);
}

void kmem_cache_free_bulk(struct kmem_cache *cachep, size_t size, void **list)
{
	for (size_t i = 0; i < size; i++)
		kmem_cache_free(cachep, list[i]);
}

/* ---- numbers: the generator of layout.ts ---- */

static uint32_t state;

static uint32_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static uint32_t below(uint32_t n)
{
	return ((uint64_t)next_random() * n) >> 32;
}

static uint64_t random_page(uint64_t limit)
{
	uint64_t high = next_random();
	uint64_t low = next_random() >> 11;

	return (high * 2097152 + low) % limit;
}

static long n;
static unsigned long *start, *end;
static long *order;
static unsigned long limit_page;

static void make_layout(void)
{
	unsigned long page = 16;

	start = malloc(n * sizeof(*start));
	end = malloc(n * sizeof(*end));
	order = malloc(n * sizeof(*order));
	state = 12345;
	for (long i = 0; i < n; i++) {
		page += i % 1009 == 1008 ? 256 + below(256) : below(32);
		unsigned long size = 1 + below(64);
		start[i] = page * 4096;
		page += size;
		end[i] = page * 4096;
	}
	limit_page = page + 16;
	state = 777;
	for (long i = 0; i < n; i++)
		order[i] = i;
	for (long i = n - 1; i >= 1; i--) {
		long j = below(i + 1);
		long other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
}

/* ---- reporting ---- */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int reported;

static void report(const char *workload, double ns, long ops, int checks, double first, double second)
{
	printf("%s{\"workload\":\"%s\",\"nsPerOp\":%.3f,\"check\":[", reported++ ? "," : "[", workload, ns / ops);
	if (checks > 0)
		printf("%.0f", first);
	if (checks > 1)
		printf(",%.0f", second);
	printf("]}");
	fflush(stdout);
}

/* ---- the map ---- */

static unsigned int mode;

static void store(struct maple_tree *mt, unsigned long from, unsigned long to, unsigned long value)
{
	mtree_store_range(mt, from, to - 1, value ? xa_mk_value(value) : NULL, GFP_KERNEL);
}

static struct maple_tree *new_tree(unsigned int flags)
{
	struct maple_tree *mt = malloc(sizeof(*mt));

	mt_init_flags(mt, flags | mode);
	return mt;
}

/* All that wait for a grace period are counted as free then. */
static void drop_tree(struct maple_tree *mt)
{
	mtree_destroy(mt);
	rcu_barrier();
	free(mt);
}

static struct maple_tree *build(unsigned int flags, int random)
{
	struct maple_tree *mt = new_tree(flags);

	for (long k = 0; k < n; k++) {
		long i = random ? order[k] : k;

		store(mt, start[i], end[i], i + 1);
	}
	return mt;
}

static void inserts(const char *name, int random)
{
	long times = 50000 / n > 1 ? (50000 + n / 2) / n : 1;
	double ns = 0;

	for (long t = 0; t < times; t++) {
		double before = now_ns();
		struct maple_tree *mt = build(0, random);

		ns += now_ns() - before;
		drop_tree(mt);
	}
	report(name, ns, times * n, 1, n, 0);
}

static void contents(struct maple_tree *mt, double *count, double *hash)
{
	MA_STATE(mas, mt, 0, 0);
	uint32_t h = 2166136261u;
	void *entry;

	*count = 0;
	rcu_read_lock();
	mas_for_each(&mas, entry, ULONG_MAX) {
		h = (h ^ (uint32_t)(mas.index / 4096)) * 16777619u;
		h = (h ^ (uint32_t)((mas.last + 1) / 4096)) * 16777619u;
		h = (h ^ (uint32_t)xa_to_value(entry)) * 16777619u;
		++*count;
	}
	rcu_read_unlock();
	*hash = (int32_t)h;
}

static void lookups(struct maple_tree *mt)
{
	enum { MANY = 1000000, FEW = 100000 };
	unsigned long *at = malloc(MANY * sizeof(*at));
	uint32_t sum = 0, few = 0;

	state = 4242;
	for (long q = 0; q < MANY; q++) {
		long i;

		if (below(10) < 8) {
			i = below(n);
			unsigned long page = below((end[i] - start[i]) / 4096);
			at[q] = start[i] + page * 4096 + below(4096);
		} else {
			do
				i = below(n - 1);
			while (end[i] == start[i + 1]);
			unsigned long page = below((start[i + 1] - end[i]) / 4096);
			at[q] = end[i] + page * 4096 + below(4096);
		}
	}
	double before = now_ns();
	for (long q = 0; q < MANY; q++) {
		void *entry = mtree_load(mt, at[q]);

		if (entry)
			sum += xa_to_value(entry);
		if (q == FEW - 1)
			few = sum;
	}
	report("W2 lookup", now_ns() - before, MANY, 2, (int32_t)few, (int32_t)sum);
	free(at);
}

static double window(struct maple_tree *mt, unsigned long at, long most)
{
	MA_STATE(mas, mt, at, at);
	double sum = 0;
	void *entry;

	rcu_read_lock();
	mas_for_each(&mas, entry, ULONG_MAX) {
		sum += (double)mas.index + (double)(mas.last + 1) + (double)xa_to_value(entry);
		if (--most == 0)
			break;
	}
	rcu_read_unlock();
	return sum;
}

static void iterations(struct maple_tree *mt)
{
	long times = 200000 / n > 1 ? (200000 + n / 2) / n : 1;
	double sum = 0, before = now_ns();

	for (long t = 0; t < times; t++)
		sum = window(mt, 0, n + 1);
	report("W3 iterate", now_ns() - before, times * n, 1, sum, 0);
}

static void windows(struct maple_tree *mt)
{
	enum { WINDOWS = 10000 };
	double sum = 0, before;
	static unsigned long at[WINDOWS];

	state = 99;
	for (int i = 0; i < WINDOWS; i++)
		at[i] = random_page(limit_page) * 4096;
	before = now_ns();
	for (int i = 0; i < WINDOWS; i++)
		sum += window(mt, at[i], 100);
	report("W4 window of 100", now_ns() - before, WINDOWS, 1, sum, 0);
}

static void overwrites(struct maple_tree *mt)
{
	long count = n <= 1000 ? 10000 : 100000;
	unsigned long *from = malloc(count * sizeof(*from)), *to = malloc(count * sizeof(*to));
	double before, ns, ranges, hash;

	state = 555;
	for (long k = 0; k < count; k++) {
		from[k] = random_page(limit_page) * 4096;
		to[k] = from[k] + (1 + below(128)) * 4096ul;
	}
	before = now_ns();
	for (long k = 0; k < count; k++)
		store(mt, from[k], to[k], n + 1 + k);
	ns = now_ns() - before;
	contents(mt, &ranges, &hash);
	report("W5 overwrite", ns, count, 2, ranges, hash);
	free(from);
	free(to);
}

/* Lowest or highest start of size free bytes in [low, high), -1 if none. */
static double gap(struct maple_tree *mt, unsigned long low, unsigned long high, unsigned long size, int from_top)
{
	MA_STATE(mas, mt, 0, 0);
	int error;

	if (high < low || high - low < size)
		return -1;
	mas_lock(&mas);
	error = from_top ? mas_empty_area_rev(&mas, low, high - 1, size) : mas_empty_area(&mas, low, high - 1, size);
	mas_unlock(&mas);
	if (error)
		return -1;
	/* The cursor is at the area's end searching from the top, at its start otherwise; index..last is exact. */
	return mas.index;
}

static void gap_searches(struct maple_tree *mt, const char *kind, uint32_t seed, long count, uint32_t least,
			 uint32_t spread)
{
	unsigned long *at = malloc(count * sizeof(*at)), *size = malloc(count * sizeof(*size));
	char name[40];

	state = seed;
	for (long k = 0; k < count; k++) {
		at[k] = random_page(limit_page) * 4096;
		size[k] = (least + below(spread)) * 4096ul;
	}
	for (int from_top = 0; from_top < 2; from_top++) {
		double sum = 0, before = now_ns();

		for (long k = 0; k < count; k++)
			sum += from_top ? gap(mt, 16 * 4096, at[k], size[k], 1)
					: gap(mt, at[k], limit_page * 4096, size[k], 0);
		snprintf(name, sizeof(name), "W6 gap %s %s", kind, from_top ? "high" : "low");
		report(name, now_ns() - before, count, 1, sum, 0);
	}
	free(at);
	free(size);
}

static void churn(struct maple_tree *mt)
{
	enum { CHURN = 100000 };
	static long which[CHURN];
	static unsigned long size[CHURN], low[CHURN];
	unsigned long limit = limit_page * 4096;
	double before, ns, ranges, hash;
	unsigned long *live = malloc(n * sizeof(*live));

	memcpy(live, start, n * sizeof(*live));
	state = 90210;
	for (long k = 0; k < CHURN; k++) {
		which[k] = below(n);
		size[k] = (1 + below(64)) * 4096ul;
		low[k] = random_page(limit_page) * 4096;
	}
	before = now_ns();
	for (long k = 0; k < CHURN; k++) {
		double at;

		mtree_erase(mt, live[which[k]]);
		at = gap(mt, low[k], limit, size[k], 0);
		if (at < 0)
			at = gap(mt, 16 * 4096, 2 * limit, size[k], 0);
		store(mt, at, (unsigned long)at + size[k], n + 1 + k);
		live[which[k]] = at;
	}
	ns = now_ns() - before;
	contents(mt, &ranges, &hash);
	report("W7 churn", ns, CHURN, 2, ranges, hash);
	free(live);
}

int main(int argc, char **argv)
{
	struct maple_tree *mt;

	if (argc != 3)
		return 2;
	n = atol(argv[1]);
	/* In RCU mode always with gaps: 6.12 frees a wrong address when it kills a full internal node without. */
	mode = strcmp(argv[2], "shared") == 0 ? MT_FLAGS_USE_RCU | MT_FLAGS_ALLOC_RANGE : 0;
	rcu_register_thread();
	maple_tree_init();
	make_layout();
	inserts("W1 random insert", 1);
	inserts("W1 append", 0);
	mt = build(0, 1);
	rcu_barrier();
	printf(",{\"workload\":\"W8 memory\",\"nsPerOp\":0,\"check\":[],\"bytesPerRange\":%.1f}",
	       (double)nodes_live * 256 / n);
	lookups(mt);
	iterations(mt);
	windows(mt);
	overwrites(mt);
	drop_tree(mt);
	mt = build(MT_FLAGS_ALLOC_RANGE, 1);
	gap_searches(mt, "easy", 31337, 20000, 1, 16);
	gap_searches(mt, "hard", 31338, 2000, 64, 192);
	churn(mt);
	printf("]\n");
	return 0;
}
