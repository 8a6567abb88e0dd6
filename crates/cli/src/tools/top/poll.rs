//! Asks every server again and again, each in a task of its own, and the session for who the members are.

use super::model::View;
use crate::tools::servers::Asking;
use crate::tools::servers::members::{Member, Members};
use crate::tools::servers::sample::Sample;
use crate::tools::servers::survey::{Way, Wish, survey};
use client::Client;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// News that wait at most; a poller that has more waits itself.
const NEWS_MAX: usize = 64;
/// How often the members are asked for: reconfigurations are rare.
const MEMBERS_EVERY: Duration = Duration::from_secs(10);

/// What came to be known.
#[derive(Debug)]
pub enum News {
    /// Who the members are, where that has changed.
    Members(Members),
    /// What one of them told, or why it did not.
    Told {
        /// When, ms since the start.
        at_ms: u64,
        /// Who.
        member: Member,
        /// What.
        told: Box<Result<Sample, String>>,
    },
}

/// The tasks; they end when this is dropped.
pub struct Pollers {
    news: mpsc::Receiver<News>,
    /// What is looked at: connections and slow operations are asked for only then.
    view: watch::Sender<View>,
    main: JoinHandle<()>,
}

impl Pollers {
    /// Starts them.
    ///
    /// # Errors
    /// When `--server` or an identity makes no sense.
    pub async fn start(asking: &Asking, interval: Duration, view: View) -> anyhow::Result<Pollers> {
        let (client, mut events) = asking.open().await?;
        // The session is only for the configuration; what happens to it shows there. The queue must not grow.
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        let (sender, news) = mpsc::channel(NEWS_MAX);
        let (view, viewed) = watch::channel(view);
        let polling = Polling { asking: asking.clone(), interval, news: sender, view: viewed, began: Instant::now() };
        Ok(Pollers { news, view, main: tokio::spawn(polling.run(client)) })
    }

    /// The next news. This is safe to drop and to call again.
    pub async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // The task ends only with this value.
            None => std::future::pending().await,
        }
    }

    /// Something else is looked at: everybody is asked at once.
    pub fn look_at(&self, view: View) {
        self.view.send_if_modified(|now| std::mem::replace(now, view) != view);
    }
}

impl Drop for Pollers {
    fn drop(&mut self) {
        self.main.abort();
    }
}

struct Polling {
    asking: Asking,
    interval: Duration,
    news: mpsc::Sender<News>,
    view: watch::Receiver<View>,
    began: Instant,
}

/// The tasks of the servers; they end with the one that started them.
#[derive(Default)]
struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    fn end(&mut self) {
        self.0.drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}

impl Polling {
    async fn run(self, client: Client) {
        let mut known = Members::default();
        let mut tasks = Tasks::default();
        loop {
            let asked = self.asking.members(&client).await;
            let asked = asked.map(|(members, _)| with_addresses(members, &known));
            if let Ok(members) = asked
                && is_better(&members, &known)
            {
                let way = self.asking.way(&members);
                // In this order: who is no member yet is not listened to.
                tasks.end();
                if self.news.send(News::Members(members.clone())).await.is_err() {
                    return;
                }
                tasks.0.extend(members.list.iter().map(|member| tokio::spawn(self.poll(member.clone(), way.clone()))));
                known = members;
            }
            tokio::time::sleep(MEMBERS_EVERY).await;
        }
    }

    fn poll(&self, member: Member, way: Way) -> impl Future<Output = ()> + use<> {
        let (news, mut view, began, interval) = (self.news.clone(), self.view.clone(), self.began, self.interval);
        async move {
            loop {
                let view_now = *view.borrow_and_update();
                let wish = Wish { clients: view_now == View::Clients, slow: view_now == View::Slow, metrics: true };
                let asked = Instant::now();
                let told = Box::new(survey(&member, &way, wish).await);
                let at_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                if news.send(News::Told { at_ms, member: member.clone(), told }).await.is_err() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(interval.saturating_sub(asked.elapsed())) => {}
                    // Its sender goes with the receiver of the news.
                    changed = view.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

/// The same with the addresses that members have told before: one that is down now tells nothing.
fn with_addresses(mut members: Members, known: &Members) -> Members {
    for member in members.list.iter_mut().filter(|member| member.is_guessed && member.sid.is_some()) {
        if let Some(before) = known.list.iter().find(|before| before.sid == member.sid && !before.is_guessed) {
            *member = before.clone();
        }
    }
    members
}

/// Whether members are to be taken in place of those that are known. A connect string knows less than a configuration that was read
/// before the quorum was lost.
fn is_better(members: &Members, known: &Members) -> bool {
    let has_ids = |members: &Members| members.list.iter().any(|member| member.sid.is_some());
    members.list != known.list && (has_ids(members) || !has_ids(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::servers::members::{of_configuration, of_connect_string};

    #[test]
    fn a_lost_quorum_does_not_make_members_forgotten() {
        let config = of_configuration("server.1=a:1:2;3\nserver.2=b:1:2;3", &[], "");
        let named = of_connect_string(&[config.list[0].address.clone()]);
        assert!(is_better(&named, &Members::default()) && is_better(&config, &named));
        assert!(!is_better(&named, &config) && !is_better(&config, &config));
        assert!(is_better(&of_configuration("server.1=a:1:2;3", &[], ""), &config), "one was removed");
        let guessed = of_configuration("server.1=a:1:2\nserver.2=b:1:2", &[], "");
        assert_eq!(with_addresses(guessed.clone(), &config), config);
        assert_eq!(with_addresses(guessed.clone(), &Members::default()), guessed);
    }
}
