import Glibc
import HCSSystem

/// Users of this host, as the agent needs them. Look-ups may block on a name service: made from the supervisor's thread.
enum AgentUser {
    /// The agent's own user.
    static func own() -> (uid: UInt32, gid: UInt32) { (geteuid(), getegid()) }

    /// Who a workload runs as: the named user, or the agent's own (nil). Never root.
    static func forWorkloads(named name: String?) throws(AgentError) -> WorkloadUser {
        guard let name else {
            let account = UserAccount.withID(geteuid())
            return WorkloadUser(
                name: account?.name ?? String(geteuid()), uid: geteuid(), gid: getegid(),
                groups: account?.groups ?? [], home: account?.home ?? "/")
        }
        guard let account = UserAccount.named(name) else {
            throw AgentError(
                .refused,
                "the user '\(name)' does not exist on this host, and workloads never run as root: "
                    + "create it (useradd --system \(name)) or start the agent with --workload-user")
        }
        guard account.uid != 0 else {
            throw AgentError(.refused, "the workload user '\(name)' is root: workloads never run as root")
        }
        return WorkloadUser(
            name: account.name, uid: account.uid, gid: account.gid, groups: account.groups, home: account.home)
    }

    static func group(named name: String) throws(AgentError) -> UInt32 {
        guard let entry = getgrnam(name) else {
            throw AgentError(.configuration, "the group '\(name)' does not exist on this host")
        }
        return entry.pointee.gr_gid
    }
}
