package import HCSModel

/// What the agent does about an escape.
package enum EscapePolicy: String, CaseIterable, Hashable, Sendable {
    /// Tells: log, local API, report, metrics.
    case report
    /// Tells, and ends the process where `ends` says so.
    case terminate
    /// Does not look. Changed limits are still put back.
    case ignore

    /// Whether `terminate` ends this one.
    ///
    /// - A process of a submitted workload: yes, it runs by our rules.
    /// - A leased command that uses more than its segment explains: no. It is its user's own; it is told.
    /// - An unmanaged process of nobody's workload: yes, unless it is root's. The vendors' daemons (nvidia-persistenced,
    ///   nvidia-fabricmanager, nv-hostengine, the MPS control daemon) are root's, and what root starts beside HCS is an
    ///   administrator's decision; submitted workloads never run as root, so nothing that HCS started is spared by it.
    package func ends(_ escape: Escape, isSubmitted: Bool) -> Bool {
        guard self == .terminate else { return false }
        if isSubmitted { return true }
        guard escape.kind == .unmanaged, let uid = escape.uid else { return false }
        return uid != 0
    }
}
