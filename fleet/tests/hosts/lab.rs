//! A switch and hosts on it: network namespaces that are gone with the processes that hold them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A network namespace.
pub struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Self {
        // Whatever ends the test ends all that it has started.
        let holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare");
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let path = format!("/proc/{}/ns/net", holder.id());
        crate::eventually("a network namespace", Duration::from_secs(5), || {
            std::fs::read_link(&path).is_ok_and(|theirs| theirs != own)
        });
        let namespace = Self { holder };
        namespace.run("ip link set lo up");
        namespace
    }

    /// A command that runs here.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "nsenter",
            "--net",
            "--target",
            &self.holder.id().to_string(),
            "--",
            program,
        ]);
        command
    }

    fn run(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let status = self.command(words[0]).args(&words[1..]).status().unwrap();
        assert!(status.success(), "{line}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A network.
pub struct Lab {
    switch: Namespace,
    nodes: Vec<Namespace>,
}

impl Lab {
    /// A network with so many nodes; node N has the address 10.99.0.(10 + N).
    pub fn new(nodes: usize) -> Self {
        let switch = Namespace::new();
        switch.run("ip link add switch type bridge");
        switch.run("ip link set switch up");
        let nodes = (0..nodes)
            .map(|number| {
                let node = Namespace::new();
                let pid = node.holder.id();
                switch.run(&format!("ip link add n{number} type veth peer name eth0 netns {pid}"));
                switch.run(&format!("ip link set n{number} master switch up"));
                node.run(&format!("ip addr add {}/24 dev eth0", Self::address(number)));
                node.run("ip link set eth0 up");
                node
            })
            .collect();
        Self { switch, nodes }
    }

    pub fn address(node: usize) -> String {
        format!("10.99.0.{}", 10 + node)
    }

    pub fn node(&self, number: usize) -> &Namespace {
        &self.nodes[number]
    }

    /// Pulls the cable of a node, or puts it back.
    pub fn connect(&self, node: usize, connected: bool) {
        let state = if connected { "up" } else { "down" };
        self.switch.run(&format!("ip link set n{node} {state}"));
    }
}
