//! All that one server tells: by its admin port if that is reachable, else by four-letter words.

use super::ask;
use super::clients;
use super::figures::Figures;
use super::members::Member;
use super::ports::Ports;
use super::sample::{Role, Sample, refusal};
use client::HostPort;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Admin ports.
    pub admin: Ports,
    /// Ports of metrics.
    pub metrics: Ports,
    /// How long one question may take.
    pub patience: Duration,
    /// Whether several members have the same host, so that a port there may be that of any of them.
    pub are_hosts_shared: bool,
}

impl Way {
    /// The same for these members: where several share a host, one port of metrics for all of them is left alone, because nothing on
    /// the page says whose figures they are.
    #[must_use]
    pub fn suited(mut self, members: &[Member]) -> Way {
        let hosts: BTreeSet<&str> = members.iter().map(|member| member.address.host.as_str()).collect();
        self.are_hosts_shared = hosts.len() < members.len();
        if self.are_hosts_shared {
            self.metrics = self.metrics.only_of_one();
        }
        self
    }
}

/// What to ask for beside the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The connections of clients.
    pub clients: bool,
    /// Slow operations.
    pub slow: bool,
    /// Phases of writes, and a leader's view of its learners.
    pub metrics: bool,
}

/// Asks one server.
///
/// # Errors
/// Why it tells nothing: neither by its admin port nor by words.
pub async fn survey(member: &Member, way: &Way, wish: Wish) -> Result<Sample, String> {
    let began = Instant::now();
    let mut sample = match by_admin(member, way, wish).await {
        Ok(sample) => sample,
        Err(why) => by_words(member, way, wish).await.map_err(|words| format!("{words}; {why}"))?,
    };
    sample.sid = sample.sid.or(member.sid);
    if wish.metrics
        && let Some(address) = way.metrics.of(member)
    {
        // Not every server publishes metrics; those are worth asking for and not worth a complaint.
        if let Ok(page) = ask::page(&address, "/metrics", way.patience).await
            && sample.version.as_deref().is_some_and(|version| page_is_of(&page, version))
        {
            sample.take_metrics(&page);
        }
    }
    sample.took = began.elapsed();
    Ok(sample)
}

/// Whether a page of metrics can be that of a server of this version: ours says so on it.
fn page_is_of(page: &str, version: &str) -> bool {
    !version.contains("zookube") || page.contains(&format!("zookube_build_info{{version=\"{version}"))
}

async fn by_admin(member: &Member, way: &Way, wish: Wish) -> Result<Sample, String> {
    let address = way.admin.of(member).ok_or("no admin port")?;
    identify(member, &address, way).await?;
    let page = |path: &'static str| ask::json(&address, path, way.patience);
    let (status, stats, monitor) =
        tokio::join!(page("/v1/status"), page("/commands/server_stats"), page("/commands/monitor"));
    let mut sample = Sample { via: format!("admin {address}"), ..Sample::default() };
    // Apache's servers have no such page.
    if let Ok(status) = &status {
        sample.take_status(status);
    }
    match &stats {
        Ok(page) => sample.take_server_stats(page),
        Err(why) => sample.notes.push(why.clone()),
    }
    if let Ok(page) = &monitor {
        sample.take_monitor(&Figures::of_json(page));
    }
    if sample.role.is_none() {
        let error = stats.as_ref().ok().and_then(|page| page.get("error")).and_then(Value::as_str);
        sample.role = Some(Role::NotServing);
        sample.reason = error.map(str::to_owned);
    }
    if wish.clients {
        sample.clients = page("/commands/connections").await.ok().map(|page| clients::of_page(&page));
    }
    if wish.slow {
        let told = page("/commands/slow_operations").await.ok();
        sample.slow =
            told.filter(|page| page.get("slow_operations").is_some()).map(|page| clients::slow_of_page(&page));
    }
    Ok(sample)
}

/// Makes sure that an admin port is that of this member, and not of another server on the same machine.
async fn identify(member: &Member, address: &HostPort, way: &Way) -> Result<(), String> {
    let page = ask::json(address, "/commands/configuration", way.patience).await;
    let page = page.map_err(|why| format!("admin port: {why}"))?;
    let figures = Figures::of_json(&page);
    let told = (figures.text("server_id").and_then(|text| text.parse().ok()), figures.count("client_port"));
    if is_of(member, told) {
        return Ok(());
    }
    // One that does not serve tells nothing there; of ours the status always knows who it is.
    let status = ask::json(address, "/v1/status", way.patience).await.unwrap_or_default();
    let sid = status.get("sid").and_then(Value::as_i64);
    let is_same = match member.sid {
        Some(_) => member.sid == sid,
        None => sid.is_some() && !way.are_hosts_shared,
    };
    if told == (None, None) && is_same {
        return Ok(());
    }
    Err(format!("the admin port {address} belongs to another server"))
}

/// Whether a server with this id and client port may be this member.
fn is_of(member: &Member, told: (Option<i64>, Option<u64>)) -> bool {
    match (member.sid, told) {
        (Some(sid), (Some(told), _)) if told != 0 => sid == told,
        (_, (_, Some(port))) => port == u64::from(member.address.port),
        _ => false,
    }
}

async fn by_words(member: &Member, way: &Way, wish: Wish) -> Result<Sample, String> {
    let word = |word: &'static str| ask::word(&member.address, word, way.patience);
    let (srvr, mntr, conf) = tokio::join!(word("srvr"), word("mntr"), word("conf"));
    let mut sample = Sample::default();
    let mut answered = Vec::new();
    let srvr = srvr?;
    match sample.take_srvr(&srvr) {
        Ok(()) => answered.push("srvr"),
        Err(why) => sample.notes.push(why),
    }
    match mntr.and_then(|text| refusal(&text).map(|()| text)) {
        Ok(text) => {
            sample.take_monitor(&Figures::of_mntr(&text));
            answered.push("mntr");
        }
        Err(why) => sample.notes.push(why),
    }
    match conf.and_then(|text| refusal(&text).map(|()| text)) {
        Ok(text) => {
            sample.sid = Figures::of_conf(&text).text("serverId").and_then(|sid| sid.parse().ok());
            if let (Some(told), Some(sid)) = (sample.sid.filter(|sid| *sid != 0), member.sid)
                && told != sid
            {
                return Err(format!(
                    "{} is the client port of server {told}, and its own is not known",
                    member.address
                ));
            }
            answered.push("conf");
        }
        Err(why) => sample.notes.push(why),
    }
    if wish.clients {
        let cons = word("cons").await.and_then(|text| refusal(&text).map(|()| clients::of_cons(&text)));
        sample.notes.extend(cons.as_ref().err().cloned());
        sample.clients = cons.ok();
    }
    sample.notes.dedup();
    if sample.role.is_none() {
        let says = |text: &str| sample.notes.iter().any(|note| note.contains(text));
        if says("no ZooKeeper server") {
            return Err(sample.notes.join("; "));
        }
        // It answers, and who is not allowed to ask learns no more.
        sample.role = says("serves no clients").then_some(Role::NotServing);
        sample.reason = (!sample.notes.is_empty()).then(|| sample.notes.remove(0));
    }
    sample.via = if answered.is_empty() { "client port".to_owned() } else { answered.join(" ") };
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(sid: Option<i64>, port: u16) -> Member {
        Member { sid, votes: None, address: HostPort { host: "127.0.0.1".into(), port }, is_guessed: false }
    }

    #[test]
    fn an_admin_port_is_only_believed_where_it_is_the_members_own() {
        assert!(is_of(&member(Some(2), 2181), (Some(2), Some(2182))), "a port that is mapped");
        assert!(!is_of(&member(Some(2), 2181), (Some(3), Some(2181))));
        assert!(is_of(&member(None, 2181), (Some(3), Some(2181))));
        assert!(!is_of(&member(None, 2182), (Some(3), Some(2181))), "its neighbour on the same machine");
        assert!(is_of(&member(None, 2181), (Some(0), Some(2181))), "a standalone server");
        assert!(!is_of(&member(Some(1), 2181), (None, None)), "no ZooKeeper server");
    }

    #[test]
    fn a_page_of_metrics_is_only_ours_where_it_says_so() {
        let page = "zookube_build_info{version=\"3.9.5-zookube.0.1.0, built on a day\"} 1";
        assert!(page_is_of(page, "3.9.5-zookube.0.1.0"));
        assert!(!page_is_of("znode_count 1", "3.9.5-zookube.0.1.0"));
        assert!(page_is_of("znode_count 1", "3.9.5"));
    }

    #[test]
    fn one_port_of_metrics_cannot_be_that_of_several_servers() {
        let suited = |port: &str, second: &str| {
            let mut members = [member(Some(1), 2181), member(Some(2), 2182)];
            members[1].address.host = second.to_owned();
            let way = Way {
                admin: Ports::default(),
                metrics: port.parse().unwrap(),
                patience: Duration::ZERO,
                are_hosts_shared: false,
            };
            way.suited(&members).metrics.of(&members[0]).map(|address| address.port)
        };
        assert_eq!(suited("7000", "127.0.0.2"), Some(7000));
        assert_eq!(suited("7000", "127.0.0.1"), None);
        assert_eq!(suited("1=7001,2=7002", "127.0.0.1"), Some(7001));
    }
}
