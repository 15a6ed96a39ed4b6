//! A DNS server on loopback that says what a test tells it to.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};

/// A DNS server on a free UDP port of 127.0.0.1. What it has no record of does not exist.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
}

impl DnsServer {
    /// A server without records. It serves until the process ends.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, records) = (socket.local_addr().unwrap(), Arc::default());
        let served = Arc::clone(&records);
        thread::spawn(move || serve(&socket, &served));
        Self { address, records }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds an SRV record.
    pub fn add_service(&self, name: &str, target: &str, port: u16) {
        self.add_preferred(name, (10, 10), target, port);
    }

    /// Adds an SRV record of this priority and weight.
    pub fn add_preferred(&self, name: &str, (priority, weight): (u16, u16), target: &str, port: u16) {
        self.add(name, RData::SRV(SRV::new(priority, weight, port, fully_qualified(target))));
    }

    /// Adds an address.
    pub fn add_host(&self, name: &str, address: Ipv4Addr) {
        self.add(name, RData::A(A(address)));
    }

    fn add(&self, name: &str, data: RData) {
        // A long life, so that a resolver that remembers is found out.
        let record = Record::from_rdata(fully_qualified(name), 3_600, data);
        self.records.lock().unwrap().push(record);
    }
}

fn fully_qualified(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).unwrap()
}

fn serve(socket: &UdpSocket, records: &Mutex<Vec<Record>>) {
    let mut packet = [0; 4_096];
    loop {
        let (length, from) = socket.recv_from(&mut packet).unwrap();
        let Ok(asked) = Message::from_vec(&packet[..length]) else { continue };
        let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
        let mut code = ResponseCode::NXDomain;
        for query in &asked.queries {
            answer.add_query(query.clone());
            for record in records.lock().unwrap().iter().filter(|record| record.name == query.name) {
                code = ResponseCode::NoError;
                if record.record_type() == query.query_type {
                    answer.add_answer(record.clone());
                }
            }
        }
        answer.metadata.response_code = code;
        // Who has asked may be gone.
        let _ = socket.send_to(&answer.to_vec().unwrap(), from);
    }
}
