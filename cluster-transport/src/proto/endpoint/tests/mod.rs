mod histories;
mod network;
