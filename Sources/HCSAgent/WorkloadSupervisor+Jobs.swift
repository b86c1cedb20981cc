import Glibc
package import HCSModel
import HCSSystem

/// Whose a process is that the kernel names by its pid.
extension WorkloadSupervisor {
    /// Processes that are looked for at once.
    static let jobsAskedFor = 64

    /// The workloads and leases of these processes, those that ended within the last minute included. A process of nobody
    /// here is left out, and so is everything in a pid namespace of the agent's own: the kernel's numbers are others there.
    package func jobs(of pids: Set<Int32>) -> [Int32: WorkloadID] {
        guard !entries.isEmpty || !leases.isEmpty else { return [:] }
        let procfs = Procfs()
        guard procfs.isInitialPIDNamespace else { return [:] }
        let now = MonotonicClock.nowMilliseconds()
        var found: [Int32: WorkloadID] = [:]
        for pid in pids.sorted().prefix(Self.jobsAskedFor) {
            guard let stat = try? procfs.stat(of: pid) else {
                found[pid] = processJobs.job(of: pid, at: now)
                continue
            }
            guard let job = workload(around: stat, procfs) else { continue }
            processJobs.note(pid, of: job, at: now)
            found[pid] = job
        }
        return found
    }

    /// The processes of a segment. A slot is its workload's own claim: what counts is where the process comes from.
    func remember(_ slots: [SegmentSnapshot.Slot], of id: WorkloadID) {
        guard !slots.isEmpty else { return }
        let procfs = Procfs()
        let own = procfs.pidNamespace()
        let now = MonotonicClock.nowMilliseconds()
        for slot in slots where slot.pidNamespace == own || slot.pidNamespace == 0 {
            guard let pid = Int32(exactly: slot.pid), let stat = try? procfs.stat(of: pid),
                stat.startTime == slot.startTime,
                processJobs.job(of: pid, at: now) == id || workload(around: stat, procfs) == id
            else { continue }
            processJobs.note(pid, of: id, at: now)
        }
    }
}
