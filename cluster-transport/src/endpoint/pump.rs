//! Moves what the handshake machine says to where it belongs: events to the handler, actions to the links' tasks.
//!
//! One pump at a time runs, so order is kept; events go first, so that a session's `Up` is told before its link carries it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::{Notify, mpsc};

use super::clock::Clock;
use super::handler::Event;
use super::link::{self, Beginning, Command};
use super::session::{Ask, SessionHandle};
use super::{Machine, Shared};
use crate::link::LinkInfo;
use crate::proto::endpoint::{EndpointAction, EndpointEvent, LinkId};
use crate::proto::lanes::PeerLanes;
use crate::proto::session::{Session, SessionStart};
use crate::proto::{Instant, NodeId, SessionId};

/// How many commands may wait for a link's task: a handshake needs three.
const COMMANDS: usize = 16;

/// The links and sessions there are.
#[derive(Debug, Default)]
pub(super) struct Pump {
    links: HashMap<LinkId, LinkEntry>,
    sessions: HashMap<SessionId, Arc<SessionHandle>>,
    /// The last session of each node, whose lanes the next one may go on with.
    last: HashMap<NodeId, Last>,
}

#[derive(Debug)]
struct Last {
    lanes: Weak<PeerLanes>,
    /// Shared by all sessions of these lanes, so that a handle of an earlier one wakes the present one.
    wake: Arc<Notify>,
    handle: Weak<SessionHandle>,
}

#[derive(Debug)]
struct LinkEntry {
    commands: mpsc::Sender<Command>,
    info: LinkInfo,
}

impl Pump {
    /// Registers a link that is about to have a task.
    pub(super) fn add_link(&mut self, link: LinkId, info: LinkInfo) -> mpsc::Receiver<Command> {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        self.links.insert(link, LinkEntry { commands, info });
        receiver
    }

    /// A link's task ends, or its handshake is done.
    pub(super) fn remove_link(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// A session has ended.
    pub(super) fn remove_session(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// A session that runs.
    pub(super) fn session(&self, session: SessionId) -> Option<Arc<SessionHandle>> {
        self.sessions.get(&session).cloned()
    }

    /// Registers a session that begins.
    fn begin(&mut self, start: &SessionStart, info: LinkInfo, clock: Clock) -> Beginning {
        self.last.retain(|_, last| last.lanes.strong_count() > 0);
        let lanes = Arc::downgrade(&start.lanes);
        let last = self.last.remove(&start.peer).filter(|last| last.lanes.ptr_eq(&lanes));
        let (wake, before) = match last {
            Some(last) => (last.wake, last.handle.upgrade()),
            None => (Arc::default(), None),
        };
        let handle = Arc::new(SessionHandle::new(start.clone(), info, clock, Arc::clone(&wake)));
        self.sessions.insert(start.session, Arc::clone(&handle));
        self.last.insert(start.peer.clone(), Last { lanes, wake, handle: Arc::downgrade(&handle) });
        Beginning { session: Box::new(Session::new(start.clone())), handle, before }
    }

    /// The sessions that run.
    pub(super) fn sessions(&self) -> Vec<Arc<SessionHandle>> {
        self.sessions.values().cloned().collect()
    }
}

impl Shared {
    /// Tells the machine what happened, and acts on what it says.
    pub(super) fn tell(self: &Arc<Self>, happened: impl FnOnce(&mut Machine, &mut Pump, Instant)) {
        self.turn(happened);
        // The next deadline may have changed.
        self.wake.notify_one();
    }

    fn turn(self: &Arc<Self>, happened: impl FnOnce(&mut Machine, &mut Pump, Instant)) {
        let mut pump = self.pump();
        let (actions, events) = {
            let mut machine = self.machine();
            happened(&mut machine, &mut pump, self.clock.now());
            let actions: Vec<_> = std::iter::from_fn(|| machine.poll_action()).collect();
            let events: Vec<_> = std::iter::from_fn(|| machine.poll_event()).collect();
            (actions, events)
        };
        let mut begun = self.begin_sessions(&mut pump, &actions);
        for event in events {
            let session = match &event {
                EndpointEvent::SessionUp { session, .. } => pump.sessions.get(session).cloned(),
                _ => None,
            };
            self.handler.on_event(match session {
                Some(session) => Event::Up { session, event },
                None => Event::Other(event),
            });
        }
        for action in actions {
            self.act(&mut pump, &mut begun, action);
        }
    }

    /// Begins sessions before anybody is told of them: what is sent from then on belongs to them.
    fn begin_sessions(&self, pump: &mut Pump, actions: &[EndpointAction]) -> HashMap<SessionId, Beginning> {
        let mut begun = HashMap::new();
        for action in actions {
            let EndpointAction::Establish { link, start } = action else { continue };
            let Some(entry) = pump.links.get(link) else { continue };
            let info = entry.info.clone();
            let beginning = pump.begin(start, info, self.clock);
            self.tunnels.session_up(&beginning.handle);
            begun.insert(start.session, beginning);
        }
        begun
    }

    fn act(
        self: &Arc<Self>,
        pump: &mut Pump,
        begun: &mut HashMap<SessionId, Beginning>,
        action: EndpointAction,
    ) {
        let (link, command) = match action {
            EndpointAction::Connect { link, address } => {
                self.spawn(link::dial(Arc::clone(self), link, address));
                return;
            }
            EndpointAction::EndSession { session, code } => {
                if let Some(session) = pump.sessions.get(&session) {
                    session.tell_task(Ask::Close(code, String::new()));
                }
                return;
            }
            EndpointAction::Send { link, frame } => (link, Command::Send(frame.encode())),
            EndpointAction::Close { link } => (link, Command::Close),
            EndpointAction::Establish { link, start } => {
                let Some(beginning) = begun.remove(&start.session) else { return };
                (link, Command::Establish(beginning))
            }
        };
        if let Some(entry) = pump.links.get(&link)
            && entry.commands.try_send(command).is_err()
        {
            // The task has ended, or a handshake that needs so many commands is none: its task ends with the channel.
            pump.links.remove(&link);
        }
    }
}

/// Runs the machine's deadlines, and whatever verbs have left to do.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let deadline = shared.machine().poll_timeout();
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = shared.clock.sleep_until(deadline) => {}
            () = shared.wake.notified() => {}
        }
        shared.turn(|machine, _, now| {
            if machine.poll_timeout().is_some_and(|at| at <= now) {
                machine.handle_timeout(now);
            }
        });
    }
}
