//! The level of the log, which can be changed while the server runs, for good or for some time.

use super::directive::{self, DirectiveError};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// The longest time for which a level can be set, in seconds: a day.
pub const LEVEL_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Changes the level and says what it is. Clones change the same one.
#[derive(Clone)]
pub struct LogLevel {
    inner: Arc<Inner>,
}

struct Inner {
    apply: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
    state: Mutex<State>,
    /// The level was set anew: whoever waits to take it back need not.
    changed: Condvar,
}

struct State {
    /// What holds now.
    level: String,
    /// What holds once a bounded time is over.
    lasting: String,
    /// When that is.
    until: Option<Instant>,
    /// How often it was set.
    sets: u64,
}

/// Why a level is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// It is none.
    #[error(transparent)]
    Directive(#[from] DirectiveError),
    /// No time, or too long a one.
    #[error("expected a time of 1 to {LEVEL_SECONDS_MAX} seconds, found {0}. hint: without seconds the level stays")]
    Seconds(u64),
    /// The filter could not be replaced, or there is no thread that would take it back.
    #[error("set the level: {0}")]
    Failed(String),
}

/// The level as an administrator is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelAnswer {
    /// What holds now, such as `info` or `info,zab=debug`.
    pub level: String,
    /// What holds once `seconds_left` are over.
    pub lasting_level: String,
    /// For how much longer `level` holds, in seconds, rounded up; `null` where it stays.
    pub seconds_left: Option<u64>,
}

impl LogLevel {
    /// A handle on a filter that `apply` replaces and that has this level now.
    pub fn new(level: String, apply: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static) -> LogLevel {
        let state = State { lasting: level.clone(), level, until: None, sets: 0 };
        LogLevel {
            inner: Arc::new(Inner { apply: Box::new(apply), state: Mutex::new(state), changed: Condvar::new() }),
        }
    }

    /// The level.
    #[must_use]
    pub fn get(&self) -> LevelAnswer {
        self.inner.state.lock().answer()
    }

    /// Sets the level, for good or for `for_s` seconds, after which it is again what was last set for good. What an endpoint
    /// for administrators calls.
    ///
    /// # Errors
    /// When it is no level or no time; the level is what it was.
    pub fn set(&self, level: &str, for_s: Option<u64>) -> Result<LevelAnswer, LevelError> {
        if let Some(seconds) = for_s.filter(|seconds| !(1..=LEVEL_SECONDS_MAX).contains(seconds)) {
            return Err(LevelError::Seconds(seconds));
        }
        self.set_until(level, for_s.map(Duration::from_secs))
    }

    fn set_until(&self, level: &str, how_long: Option<Duration>) -> Result<LevelAnswer, LevelError> {
        let (filter, level) = directive::parse(level)?;
        let mut state = self.inner.state.lock();
        let until = how_long.map(|time| Instant::now() + time);
        if let Some(until) = until {
            self.take_back_at(until, state.sets + 1).map_err(LevelError::Failed)?;
        }
        let before = state.level.clone();
        // After the thread exists: nobody must find a level that nobody takes back.
        (self.inner.apply)(filter).map_err(LevelError::Failed)?;
        if until.is_none() {
            state.lasting.clone_from(&level);
        }
        (state.level, state.until) = (level, until);
        state.sets += 1;
        self.inner.changed.notify_all();
        let answer = state.answer();
        drop(state);
        if before != answer.level || until.is_some() {
            tracing::info!(
                from = before,
                to = answer.level,
                seconds = how_long.map(|time| time.as_secs()),
                "log level set"
            );
        }
        Ok(answer)
    }

    /// Starts the thread that takes back what was set as the `sets`th, unless it was set anew.
    fn take_back_at(&self, until: Instant, sets: u64) -> Result<(), String> {
        let inner = self.inner.clone();
        let thread = std::thread::Builder::new().name("log-level".to_owned());
        let started = thread.spawn(move || {
            let mut state = inner.state.lock();
            while state.sets == sets && Instant::now() < until {
                inner.changed.wait_until(&mut state, until);
            }
            if state.sets != sets {
                return;
            }
            // It was read when it was set.
            let restored = directive::parse(&state.lasting).map_err(|error| error.to_string());
            let restored = restored.and_then(|(filter, _)| (inner.apply)(filter));
            let (from, to) = (state.level.clone(), state.lasting.clone());
            if restored.is_ok() {
                state.level.clone_from(&to);
            }
            (state.until, state.sets) = (None, sets + 1);
            drop(state);
            match restored {
                Ok(()) => tracing::info!(from, to, "log level is back after its time"),
                Err(error) => tracing::warn!(from, to, "log level stays after its time: {error}"),
            }
        });
        started.map(drop).map_err(|error| format!("start a thread that takes it back: {error}"))
    }
}

impl State {
    fn answer(&self) -> LevelAnswer {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        LevelAnswer {
            level: self.level.clone(),
            lasting_level: self.lasting.clone(),
            seconds_left: left.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        }
    }
}

impl std::fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogLevel").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, SubscriberExt};
    use tracing_subscriber::{Layer, reload};

    /// Counts events.
    struct Counting(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counting {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// A handle, and every filter that it put in force.
    fn handle() -> (LogLevel, Arc<Mutex<Vec<String>>>) {
        let applied = Arc::new(Mutex::new(Vec::new()));
        let filters = applied.clone();
        let level = LogLevel::new("info".to_owned(), move |filter| {
            filters.lock().push(filter.to_string());
            Ok(())
        });
        (level, applied)
    }

    fn wait_for(what: &str, met: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !met() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_level_decides_what_is_logged_from_then_on() {
        let (filter, reload) = reload::Layer::new(EnvFilter::new("info"));
        let seen = Arc::new(AtomicUsize::new(0));
        let lines = Counting(seen.clone()).with_filter(filter);
        let level = LogLevel::new("info".to_owned(), move |filter| reload.reload(filter).map_err(|e| e.to_string()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let count = || {
                tracing::debug!("counted where debug lines are written");
                seen.load(Relaxed)
            };
            assert_eq!(count(), 0);
            level.set("debug", None).unwrap();
            let after = count();
            assert!(after > 0);
            level.set("warn,other=debug", None).unwrap();
            let before = seen.load(Relaxed);
            assert_eq!(count(), before);
        });
    }

    #[test]
    fn a_level_stays_that_is_set_without_a_time() {
        let (level, applied) = handle();
        let answer = level.set("debug", None).unwrap();
        assert_eq!(
            (answer.level.as_str(), answer.lasting_level.as_str(), answer.seconds_left),
            ("debug", "debug", None)
        );
        assert_eq!(level.get(), answer);
        assert_eq!(*applied.lock(), ["debug"]);
    }

    #[test]
    fn a_level_goes_back_by_itself_after_its_time() {
        let (level, applied) = handle();
        level.set("warn", None).unwrap();
        let answer = level.set_until("debug", Some(Duration::from_millis(50))).unwrap();
        assert_eq!((answer.lasting_level.as_str(), answer.seconds_left), ("warn", Some(1)), "{answer:?}");
        wait_for("the level to be back", || level.get().level == "warn");
        assert_eq!(*applied.lock(), ["warn", "debug", "warn"]);
        assert_eq!(level.get().seconds_left, None);
    }

    #[test]
    fn who_sets_it_anew_is_not_overruled_by_an_earlier_time() {
        let (level, applied) = handle();
        level.set_until("debug", Some(Duration::from_millis(50))).unwrap();
        let trace = level.set_until("trace", Some(Duration::from_secs(3600))).unwrap();
        assert_eq!((trace.lasting_level.as_str(), trace.seconds_left), ("info", Some(3600)), "{trace:?}");
        level.set_until("warn", Some(Duration::from_millis(1))).unwrap();
        wait_for("the last one's end", || level.get().level == "info");
        // The thread of the first ends without a word, whenever it looks.
        wait_for("the other threads to end", || Arc::strong_count(&level.inner) == 1);
        assert_eq!(applied.lock().last().map(String::as_str), Some("info"));
        assert_eq!(level.get().level, "info");
    }

    #[test]
    fn what_cannot_be_set_changes_nothing() {
        let (level, applied) = handle();
        assert!(matches!(level.set("loud", None), Err(LevelError::Directive(_))));
        for seconds in [0, LEVEL_SECONDS_MAX + 1, u64::MAX] {
            let refusal = level.set("debug", Some(seconds)).unwrap_err();
            assert_eq!(refusal, LevelError::Seconds(seconds));
            assert!(refusal.to_string().contains(&seconds.to_string()), "{refusal}");
        }
        assert!(applied.lock().is_empty());
        assert_eq!(level.get().level, "info");
        let broken = LogLevel::new("info".to_owned(), |_| Err("gone".to_owned()));
        assert_eq!(broken.set("debug", Some(60)), Err(LevelError::Failed("gone".to_owned())));
        assert_eq!(broken.get().level, "info");
        wait_for("the thread that has nothing to take back", || Arc::strong_count(&broken.inner) == 1);
    }
}
