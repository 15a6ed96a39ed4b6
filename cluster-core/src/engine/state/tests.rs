mod harness;
mod histories;
mod hostile;
mod repair;
mod rooms;
mod scale;
