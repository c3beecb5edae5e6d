// Rust's threads: 2 MiB stacks, an alternate signal stack and a name each, thread_local values with destructors.
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Value(Vec<u32>);

impl Drop for Value {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local! {
    static VALUE: RefCell<Value> = RefCell::new(Value(vec![7]));
    static PLAIN: RefCell<u64> = const { RefCell::new(3) };
}

fn task(i: usize) -> u64 {
    VALUE.with(|v| {
        assert_eq!(v.borrow().0, [7]);
        v.borrow_mut().0.push(i as u32);
    });
    PLAIN.with(|p| {
        let old = *p.borrow();
        *p.borrow_mut() += 1;
        old
    })
}

fn main() {
    let mut sum = 0;
    for i in 0..1000 {
        sum += thread::spawn(move || task(i)).join().unwrap();
    }
    println!("sum {} dropped {}", sum, DROPPED.load(Ordering::SeqCst));

    let name = thread::Builder::new().name("a name".into()).spawn(|| {
        std::fs::read_to_string("/proc/thread-self/comm").unwrap()
    });
    println!("named: {:?}", name.unwrap().join().unwrap());
    let unnamed = thread::spawn(|| thread::current().name().map(String::from)).join().unwrap();
    println!("unnamed: {:?}", unnamed);

    std::panic::set_hook(Box::new(|_| {}));
    let mut panics = 0;
    for i in 0..200 {
        panics += thread::spawn(move || assert!(i % 2 == 0)).join().is_err() as u32;
        assert!(!thread::spawn(thread::panicking).join().unwrap());
    }
    println!("panics {}", panics);

    let (sender, receiver) = mpsc::channel();
    let all: Vec<_> = (0..100)
        .map(|i| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(task(i)).unwrap())
        })
        .collect();
    drop(sender);
    let total: u64 = receiver.iter().sum();
    all.into_iter().for_each(|t| t.join().unwrap());
    println!("total {} dropped {}", total, DROPPED.load(Ordering::SeqCst));

    let mut data = vec![0u64; 64];
    thread::scope(|s| {
        for (i, slot) in data.iter_mut().enumerate() {
            s.spawn(move || *slot = i as u64);
        }
    });
    println!("scope {}", data.iter().sum::<u64>());
}
