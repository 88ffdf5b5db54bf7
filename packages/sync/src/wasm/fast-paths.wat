;; The fast paths of the locks and of the RCU read section, over the shared memory that the words are in.
;;
;; Every function is one atomic operation on the word at a byte address which is a
;; multiple of 4 (words.byteOffset + 4 * word), and gives back what JavaScript needs to know in order to go on.
;; What to do when the fast path is not enough is decided there, once for both backends.
;;
;; Each lock has functions of its own even where two are alike today: a lock that comes to need more in its
;; fast path (an owner word, say) gets it here without a thought for the others.
;;
;; Memory order: every operation is sequentially consistent, as those of JavaScript's Atomics are, and the two
;; are one memory model: a word may be accessed through both.
;;
;; `pnpm --filter @faultline/sync wasm` assembles this into fast-paths.generated.ts.
(module
  (import "sync" "memory" (memory 0 65536 shared))

  ;; qspinlock: LOCKED is bit 0, SLEEPERS bit 9 (spinlock/qspinlock.ts)

  ;; Takes the word if it is 0. Returns what was there: 0 if the lock is the caller's now.
  (func (export "spinLock") (param $word i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get $word) (i32.const 0) (i32.const 1)))

  ;; Clears LOCKED and SLEEPERS. Returns what was there.
  (func (export "spinUnlock") (param $word i32) (result i32)
    (i32.atomic.rmw.and (local.get $word) (i32.const 0xfffffdfe)))

  ;; mutex: LOCKED is bit 0 of STATE (mutex.ts)

  ;; Takes STATE if it is 0. Returns what was there: 0 if the lock is the caller's now.
  (func (export "mutexLock") (param $state i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get $state) (i32.const 0) (i32.const 1)))

  ;; Makes STATE 0 if it is LOCKED and nothing else. Returns what was there: 1 if the lock is free now.
  (func (export "mutexUnlock") (param $state i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get $state) (i32.const 1) (i32.const 0)))

  ;; rwsem: WRITER is bit 0 of COUNT, a reader is 256 (rwsem.ts)

  ;; Adds a reader. Returns the count before.
  (func (export "rwsemAddReader") (param $count i32) (result i32)
    (i32.atomic.rmw.add (local.get $count) (i32.const 256)))

  ;; Takes a reader away. Returns the count before.
  (func (export "rwsemSubReader") (param $count i32) (result i32)
    (i32.atomic.rmw.sub (local.get $count) (i32.const 256)))

  ;; Sets WRITER if COUNT is 0. Returns what was there: 0 if the lock is the caller's now.
  (func (export "rwsemSetWriter") (param $count i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get $count) (i32.const 0) (i32.const 1)))

  ;; Clears WRITER. Returns what was there.
  (func (export "rwsemClearWriter") (param $count i32) (result i32)
    (i32.atomic.rmw.and (local.get $count) (i32.const 0xfffffffe)))

  ;; RCU, flavour mb: STATE is the agent's own (rcu/grace-period.ts)

  ;; Makes STATE what the agent announces. Returns what was there.
  (func (export "rcuExchange") (param $state i32) (param $value i32) (result i32)
    (i32.atomic.rmw.xchg (local.get $state) (local.get $value))))
