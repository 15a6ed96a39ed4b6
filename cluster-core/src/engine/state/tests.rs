mod harness;
mod histories;
mod repair;
mod rooms;
mod scale;
