//! A name server whose answers the test changes, on a port of 127.0.0.1.

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread looks whether it is to end.
const POLL: Duration = Duration::from_millis(20);
/// The longest question.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// Longer answers come over TCP only.
const UDP_ANSWER_BYTES_MAX: usize = 512;

/// How a name server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It answers from its table; what is not there does not exist.
    Answers,
    /// It takes questions and says nothing.
    Silent,
    /// It says this to every question.
    Says(ResponseCode),
}

#[derive(Default)]
struct Table {
    records: BTreeMap<(String, RecordType), Vec<RData>>,
    /// Zones for which it fails, whatever else it does.
    failing: Vec<String>,
    behaviour: Option<Behaviour>,
    asked: Vec<(String, RecordType)>,
}

/// The name server; it ends when dropped.
pub struct Dns {
    address: SocketAddr,
    table: Arc<Mutex<Table>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// Starts one with an empty table.
    pub fn start() -> Dns {
        let (socket, listener) = bind();
        socket.set_read_timeout(Some(POLL)).expect("a timeout");
        listener.set_nonblocking(true).expect("no waiting");
        let address = socket.local_addr().expect("an address");
        let (table, stop) = (Arc::<Mutex<Table>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopped) = (Arc::clone(&table), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&socket, &listener, &shared, &stopped));
        Dns { address, table, stop, thread: Some(thread) }
    }

    /// A line for `resolv.conf`.
    pub fn line(&self) -> String {
        format!("nameserver {}\n", self.address)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("the server's thread has not panicked")
    }

    /// From now on it behaves like this.
    pub fn behave(&self, behaviour: Behaviour) {
        self.table().behaviour = Some(behaviour);
    }

    /// It says SERVFAIL to questions about this zone.
    pub fn fail_for(&self, zone: &str) {
        self.table().failing.push(zone.to_owned());
    }

    /// Gives a full name (with the dot at the end) these addresses and no others.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse::<IpAddr>().expect("an address"));
        let (four, six): (Vec<IpAddr>, Vec<IpAddr>) = addresses.partition(IpAddr::is_ipv4);
        for (kind, addresses) in [(RecordType::A, four), (RecordType::AAAA, six)] {
            let records = addresses.into_iter().map(RData::from).collect();
            self.table().records.insert((name.to_owned(), kind), records);
        }
    }

    /// Gives a service these targets.
    pub fn set_targets(&self, service: &str, targets: &[&str]) {
        let target = |text: &&str| RData::SRV(SRV::new(0, 0, 3888, Name::from_ascii(text).expect("a name")));
        let records = targets.iter().map(target).collect();
        self.table().records.insert((service.to_owned(), RecordType::SRV), records);
    }

    /// There is no such name any more.
    pub fn remove(&self, name: &str) {
        self.table().records.retain(|(known, _), _| known != name);
    }

    /// The names whose IPv4 addresses were asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        let table = self.table();
        table.asked.iter().filter(|(_, kind)| *kind == RecordType::A).map(|(name, _)| name.clone()).collect()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread shows in the test that misses its answer.
            let _ = thread.join();
        }
    }
}

/// One port for both protocols.
fn bind() -> (UdpSocket, TcpListener) {
    loop {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        // Another process may have the port for TCP.
        if let Ok(listener) = TcpListener::bind(socket.local_addr().expect("an address")) {
            return (socket, listener);
        }
    }
}

fn serve(socket: &UdpSocket, listener: &TcpListener, table: &Mutex<Table>, stop: &AtomicBool) {
    let answered = |question: &[u8]| {
        let question = Message::from_vec(question).expect("a question");
        answer(question, &mut table.lock().expect("no test panics while it holds the table"))
    };
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            // The asker may be gone.
            let _ = serve_stream(stream, answered);
        }
        let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
        if let Some(answer) = answered(&datagram[..length]) {
            let mut bytes = answer.to_vec().expect("an answer of ours");
            if bytes.len() > UDP_ANSWER_BYTES_MAX {
                bytes = answer.truncate().to_vec().expect("an answer of ours");
            }
            let _ = socket.send_to(&bytes, from);
        }
    }
}

/// One question over TCP.
fn serve_stream(mut stream: TcpStream, answered: impl Fn(&[u8]) -> Option<Message>) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    if let Some(answer) = answered(&question) {
        let bytes = answer.to_vec().expect("an answer of ours");
        let length = u16::try_from(bytes.len()).expect("a short answer");
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn answer(question: Message, table: &mut Table) -> Option<Message> {
    let mut answer = question.into_response();
    answer.edns = None;
    let query = answer.queries.first().expect("one question").clone();
    let name = query.name.to_lowercase().to_string();
    table.asked.push((name.clone(), query.query_type));
    let failing = table.failing.iter().any(|zone| name.ends_with(zone));
    match table.behaviour.unwrap_or(Behaviour::Answers) {
        Behaviour::Silent => return None,
        Behaviour::Says(code) => answer.metadata.response_code = code,
        Behaviour::Answers if failing => answer.metadata.response_code = ResponseCode::ServFail,
        Behaviour::Answers => {
            let exists = table.records.keys().any(|(known, _)| *known == name);
            answer.metadata.response_code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
            let found = table.records.get(&(name, query.query_type)).into_iter().flatten();
            // A TTL of an hour: nobody may keep an answer that long.
            answer.add_answers(found.map(|data| Record::from_rdata(query.name.clone(), 3600, data.clone())));
        }
    }
    Some(answer)
}
