;; What a fast path in WebAssembly cannot go below: the call itself, and the call with one atomic instruction.
(module
  (import "sync" "memory" (memory 0 65536 shared))
  (func (export "nothing") (param i32) (result i32) (i32.const 0))
  (func (export "compareExchange") (param i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get 0) (i32.const 0) (i32.const 1)))
  (func (export "store") (param i32)
    (i32.atomic.store (local.get 0) (i32.const 0)))
  (func (export "add") (param i32 i32) (result i32)
    (i32.atomic.rmw.add (local.get 0) (local.get 1)))
  (func (export "exchange") (param i32 i32) (result i32)
    (i32.atomic.rmw.xchg (local.get 0) (local.get 1))))
