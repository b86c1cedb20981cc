import HCSAPI
import HCSModel
import HCSSystem
import Logging

extension WorkloadSupervisor {
    /// Brings a running attempt's quota to what its assignment says now. A raise that does not fit beside what this agent
    /// has promised since (a lease) waits: the attempt keeps its quota, and the next pass tries again.
    func resize(to assignment: Assignment) {
        let key = AttemptKey(id: assignment.id, attempt: assignment.attempt)
        guard assignment.desired == .run, let entry = entries[key], entry.ended == nil, entry.stopping == nil else {
            return
        }
        let old = entry.record.assignment.grants
        let new = assignment.grants
        // Other devices are another attempt's business.
        guard old != new, Set(old.map(\.device)) == Set(new.map(\.device)), old.count == new.count else { return }
        if let why = tooMuch(new, instead: old, entry.record.devices) {
            if entry.waitingQuota != new { logger.warning("workload \(key) keeps its quota for now: \(why)") }
            entries[key]?.waitingQuota = new
            return
        }
        var record = entry.record
        record.earlierGrants = old
        record.assignment = assignment
        do {
            // Kept first, with the old figures: an agent that ends in between takes neither for somebody else's change.
            try record.write(to: entry.directory)
            entries[key]?.record = record
            entries[key]?.waitingQuota = nil
            try quotas.setLimits(of: key.id, QuotaManager.limits(new, record.devices))
            logger.info(
                "workload \(assignment.spec.name) (\(key)): quota \(new.map { "\($0.quota) on \($0.device)" }.joined(separator: ", "))"
            )
        } catch {
            if entry.waitingQuota != new { logger.error("workload \(key) keeps its quota for now: \(error)") }
            entries[key]?.waitingQuota = new
        }
    }

    private func tooMuch(_ new: [DeviceGrant], instead old: [DeviceGrant], _ devices: [Device]) -> String? {
        for grant in new {
            let present = old.first { $0.device == grant.device }?.quota ?? .zero
            guard grant.quota > present, let device = devices.first(where: { $0.id == grant.device }) else { continue }
            let others = promised(on: grant.device).subtracting(present)
            if others.adding(grant.quota) > device.memory {
                return
                    "\(grant.quota) on device \(grant.device) does not fit: \(others) of \(device.memory) are given to others"
            }
        }
        return nil
    }
}
