mod harness;
mod histories;
mod hostile;
mod protocol_md;
mod repair;
mod rooms;
mod scale;
mod silence;
