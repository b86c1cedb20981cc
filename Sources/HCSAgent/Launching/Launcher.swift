package import HCSModel

/// What is needed to start one attempt of a workload.
package struct WorkloadLaunch: Hashable, Sendable {
    /// The attempt's state directory; it exists and is empty but for the agent's own records.
    package var directory: String
    package var command: [String]
    package var environment: [String: String]
    package var workingDirectory: String
    /// nil = the agent's own user.
    package var user: WorkloadUser?

    package init(
        directory: String, command: [String], environment: [String: String], workingDirectory: String,
        user: WorkloadUser?
    ) {
        self.directory = directory
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.user = user
    }
}

/// The user a workload runs as.
package struct WorkloadUser: Hashable, Sendable, Codable {
    package var name: String
    package var uid: UInt32
    package var gid: UInt32
    /// All groups of the account: device nodes are often kept for `video` or `render`.
    package var groups: [UInt32]
    package var home: String

    package init(name: String, uid: UInt32, gid: UInt32, groups: [UInt32], home: String) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home
    }
}

/// Where a started attempt is in its life, told by what its directory holds and by /proc: an agent that has just started
/// knows as much as the one that launched it.
package enum LaunchState: Hashable, Sendable {
    /// Its supervisor is there, its program not yet.
    case starting
    case running(pid: Int32)
    /// Its program ended; what it left behind is being ended.
    case finishing
    case ended(ExitStatus, atMilliseconds: Int64?)
    /// Nothing of it lives and nobody wrote how it ended.
    case lost
    /// No sign that it was ever started: cut off in between, or its supervisor is still on its way.
    case absent
    /// Its files cannot be read now (no descriptor left, an input error): nothing is to be concluded.
    case unknown
}

/// Starts workloads so that they outlive the agent, and finds them again by their directory. Calls block; they are made from
/// the supervisor's own thread.
package protocol Launcher: Sendable {
    /// Returns when the attempt's supervisor process has been started; whether the program runs shows in `state`.
    func start(_ launch: WorkloadLaunch) throws(AgentError)

    func state(of directory: String) -> LaunchState

    /// Takes note of the supervisor processes that have ended. Called once per pass.
    func reap()

    /// Makes an `absent` launch one that can never come to life. False: it did meanwhile.
    func revoke(directory: String) -> Bool

    /// Sends a signal to the program and its descendants. Nothing of it left is no error.
    func signal(_ number: Int32, directory: String) throws(AgentError)

    /// Whether a process (host pid) is in the attempt's process group or session.
    func contains(_ pid: Int32, directory: String) -> Bool
}
