//! Login attempts that failed, from one address and from all: guessing is slow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Attempts are counted for this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered at once; with more, those of the oldest window go.
const MAX_ADDRESSES: usize = 10_000;

/// Counts attempts.
#[derive(Clone, Default)]
pub struct Attempts {
    windows: Arc<Mutex<Windows>>,
}

#[derive(Default)]
struct Windows {
    all: Option<Window>,
    by_address: HashMap<IpAddr, Window>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    attempts: u32,
}

/// An attempt that counts, unless it is taken back.
pub struct Attempt {
    windows: Arc<Mutex<Windows>>,
    address: IpAddr,
}

impl Attempts {
    /// Begins an attempt; nothing where there were too many, 0 being any number.
    pub fn begin(&self, address: IpAddr, each: u32, overall: u32, now: Instant) -> Option<Attempt> {
        let address = network(address);
        let mut windows = lock(&self.windows);
        let windows = &mut *windows;
        let count = |window: Option<&Window>| {
            window
                .filter(|window| now.duration_since(window.began) < WINDOW)
                .map_or(0, |w| w.attempts)
        };
        let is_full = |attempts: u32, limit: u32| limit != 0 && attempts >= limit;
        if is_full(count(windows.all.as_ref()), overall)
            || is_full(count(windows.by_address.get(&address)), each)
        {
            return None;
        }
        if windows.by_address.len() >= MAX_ADDRESSES {
            windows.by_address.retain(|_, window| now.duration_since(window.began) < WINDOW);
            let oldest = windows.by_address.iter().min_by_key(|(_, window)| window.began);
            if let (true, Some((&oldest, _))) = (windows.by_address.len() >= MAX_ADDRESSES, oldest)
            {
                windows.by_address.remove(&oldest);
            }
        }
        let fresh = Window { began: now, attempts: 0 };
        add(windows.all.get_or_insert(fresh), now);
        add(windows.by_address.entry(address).or_insert(fresh), now);
        Some(Attempt { windows: self.windows.clone(), address })
    }
}

impl Attempt {
    /// Takes the attempt back: name and password were right.
    pub fn take_back(self) {
        let mut windows = lock(&self.windows);
        if let Some(all) = &mut windows.all {
            all.attempts = all.attempts.saturating_sub(1);
        }
        if let Some(window) = windows.by_address.get_mut(&self.address) {
            window.attempts = window.attempts.saturating_sub(1);
        }
    }
}

fn add(window: &mut Window, now: Instant) {
    if now.duration_since(window.began) >= WINDOW {
        *window = Window { began: now, attempts: 0 };
    }
    window.attempts = window.attempts.saturating_add(1);
}

/// Returns what stands for an address: of IPv6 the first 64 bits, which one host has for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

fn lock(windows: &Mutex<Windows>) -> MutexGuard<'_, Windows> {
    windows.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_for_a_minute_and_successes_do_not() {
        let attempts = Attempts::default();
        let (one, two) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        let begin = |address, now| attempts.begin(address, 2, 3, now);
        begin(one, now).unwrap().take_back();
        assert!(begin(one, now).is_some() && begin(one, now).is_some());
        assert!(begin(one, now).is_none(), "one address");
        assert!(begin(two, now).is_some());
        assert!(begin(two, now).is_none(), "all addresses");
        assert!(begin(one, now + WINDOW).is_some());
        let many = Attempts::default();
        assert!((0..1000).all(|_| many.begin(one, 0, 0, now).is_some()));
    }

    #[test]
    fn addresses_of_one_host_are_one_and_only_so_many_are_kept() {
        let attempts = Attempts::default();
        let now = Instant::now();
        assert!(attempts.begin("2001:db8::1".parse().unwrap(), 1, 0, now).is_some());
        assert!(attempts.begin("2001:db8::2".parse().unwrap(), 1, 0, now).is_none());
        for n in 0..20_000u32 {
            assert!(attempts.begin(IpAddr::from(n.to_be_bytes()), 1, 0, now).is_some());
        }
        assert!(lock(&attempts.windows).by_address.len() <= MAX_ADDRESSES);
    }
}
