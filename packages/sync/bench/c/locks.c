/*
 * What the same operations cost in C, as one JSON object of nanoseconds per operation.
 *
 *   gcc -O2 -pthread bench/c/locks.c -o locks                                     pthread and futex
 *   gcc -O2 -pthread -DWITH_URCU bench/c/locks.c -o locks -lurcu-memb -lurcu-mb -lurcu-qsbr -lurcu-common
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { OPS = 1000000, SECTIONS = 1000000, TRIPS = 2000 };

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void show(const char *name, double start, double ops)
{
	static int is_first = 1;
	printf("%s\"%s\":%.3f", is_first ? "{" : ",", name, (now_ns() - start) / ops);
	is_first = 0;
}

static pthread_spinlock_t spin;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void uncontended(void)
{
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	double start = now_ns();
	for (int i = 0; i < OPS; i++) {
		pthread_spin_lock(&spin);
		pthread_spin_unlock(&spin);
	}
	show("pthread_spin", start, OPS);
	start = now_ns();
	for (int i = 0; i < OPS; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
	show("pthread_mutex", start, OPS);
	start = now_ns();
	for (int i = 0; i < OPS; i++) {
		pthread_rwlock_rdlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
	}
	show("pthread_rwlock read", start, OPS);
	start = now_ns();
	for (int i = 0; i < OPS; i++) {
		pthread_rwlock_wrlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
	}
	show("pthread_rwlock write", start, OPS);
}

/* Two threads take turns until the counter under the mutex says that it is enough. */
static long sections;
static pthread_barrier_t gate;

static void *contend(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&gate);
	for (long seen = 0; seen < SECTIONS;) {
		pthread_mutex_lock(&mutex);
		seen = ++sections;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

/* One word says whose turn it is; the other thread sleeps on it. */
static _Atomic int turn;

static void *take_turns(void *arg)
{
	int me = (int)(long)arg;
	for (int trip = 0; trip < TRIPS; trip++) {
		while (atomic_load(&turn) != me)
			syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !me, NULL, NULL, 0);
		atomic_store(&turn, !me);
		syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return NULL;
}

static void two_threads(const char *name, void *(*body)(void *), double ops)
{
	pthread_t threads[2];
	pthread_barrier_init(&gate, NULL, 2);
	double start = now_ns();
	for (long i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, body, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	show(name, start, ops);
}

#ifdef WITH_URCU
#include <urcu/urcu-mb.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

#define MEASURE_URCU(flavour)                                                                                          \
	do {                                                                                                           \
		urcu_##flavour##_register_thread();                                                                    \
		double start = now_ns();                                                                               \
		for (int i = 0; i < OPS; i++) {                                                                        \
			urcu_##flavour##_read_lock();                                                                  \
			__asm__ volatile("" ::: "memory");                                                             \
			urcu_##flavour##_read_unlock();                                                                \
		}                                                                                                      \
		show("liburcu " #flavour, start, OPS);                                                                 \
		urcu_##flavour##_unregister_thread();                                                                  \
	} while (0)

static void read_sections(void)
{
	MEASURE_URCU(mb);
	MEASURE_URCU(memb);
	MEASURE_URCU(qsbr);
}
#else
static void read_sections(void)
{
}
#endif

int main(void)
{
	uncontended();
	read_sections();
	two_threads("pthread_mutex, 2 threads", contend, SECTIONS);
	two_threads("futex round trip", take_turns, TRIPS);
	printf("}\n");
	return 0;
}
