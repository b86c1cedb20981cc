import Foundation
import Glibc
package import HCSAPI
import HCSModel
import HCSSystem
import Logging

/// Leases: shares that this agent gives to its own host's users (`hcs run`), beside what the scheduler assigned.
extension WorkloadSupervisor {
    /// Between the end of a lease's process and that of the lease: a child may not have taken its slot yet.
    static let leaseGraceMilliseconds: Int64 = 3_000

    /// Makes a lease with its segment, or says why not.
    package func lease(_ request: LeaseRequest, peer: LeasePeer) throws(APIProblem) -> Lease {
        defer { activity.raise() }
        do { try request.validate() } catch { throw .badRequest(error.message) }
        guard leases.count < APILimits.localLeases else {
            throw .tooMany("\(leases.count) leases are held on this host: wait until one ends")
        }
        let process = try leader(of: request, peer: peer)
        let own = AgentUser.own()
        guard own.uid == 0 || own.uid == peer.uid else {
            throw .forbidden("this agent runs as user \(own.uid) and can lease to that user only, not to \(peer.uid)")
        }
        guard access(settings.interceptor, R_OK) == 0 else {
            throw .internalError(
                "the agent's preload library is not at \(settings.interceptor): see hcs-agent --interceptor")
        }
        let device = try choose(request)
        var generator = SystemRandomNumberGenerator()
        let record = LeaseRecord(
            bootID: settings.bootID, id: .random(using: &generator), name: request.name, uid: peer.uid, pid: process,
            startTime: request.startTime,
            grant: DeviceGrant(device: device.id, vendor: device.vendor, quota: request.bytes), device: device,
            createdMilliseconds: RealtimeClock.nowMilliseconds())
        do { try keep(record, gid: own.uid == 0 ? peer.gid : own.gid) } catch { throw .internalError(error.message) }
        leases[record.id] = LeaseEntry(record: record, reading: quotas.observe(record.id))
        logger.info(
            "lease \(record.id): \(request.bytes) on \(device.id) to user \(peer.uid), process \(process)")
        return Lease(
            id: record.id, grant: record.grant, simulated: device.simulated,
            environment: WorkloadEnvironment.change(
                for: device, segment: quotas.path(of: record.id), interceptor: settings.interceptor, name: request.name,
                simulated: device.simulated ? settings.simulated : nil))
    }

    /// As of the last pass.
    package func leaseObservations() -> [LeaseObservation] {
        leases.values.sorted { $0.record.id < $1.record.id }.map { lease in
            let record = lease.record
            return LeaseObservation(
                id: record.id, name: record.name, uid: record.uid, pid: record.pid, startTime: record.startTime,
                grant: record.grant, startedMilliseconds: record.createdMilliseconds, usage: lease.reading.usage,
                processes: lease.reading.count)
        }
    }

    // MARK: Giving

    /// The process that will be the command, by our pid namespace. A user may name only a process of their own: a lease
    /// lives as long as it.
    private func leader(of request: LeaseRequest, peer: LeasePeer) throws(APIProblem) -> Int32 {
        let procfs = Procfs()
        func isIt(_ pid: Int32) -> Bool { (try? procfs.stat(of: pid))?.startTime == request.startTime }
        // In a pid namespace below ours the caller knows itself by another number.
        if peer.pid > 0, isIt(peer.pid), (try? procfs.namespacePIDs(of: peer.pid))?.last == request.pid {
            return peer.pid
        }
        guard isIt(request.pid), let uid = try? procfs.uid(of: request.pid), uid == peer.uid || peer.uid == 0 else {
            throw .forbidden(
                "process \(request.pid) with start time \(request.startTime) is none of user \(peer.uid)'s")
        }
        return request.pid
    }

    /// The usable device with most free memory; of equals the first by name.
    private func choose(_ request: LeaseRequest) throws(APIProblem) -> Device {
        let asked = request.vendor?.displayName ?? request.runtime?.rawValue ?? ""
        let fitting = devices.values.filter { report in
            request.vendors.contains(report.device.vendor) && (request.device.map { $0 == report.device.id } ?? true)
        }.sorted { $0.device.id < $1.device.id }
        guard !fitting.isEmpty else {
            throw .conflict("this host has no device\(request.device.map { " \($0)" } ?? "") for \(asked)")
        }
        var best: (device: Device, free: ByteCount)?
        var objections: [String] = []
        var mayFitLater = false
        for report in fitting {
            let free = freeMemory(of: report)
            if let why = objection(to: report) {
                objections.append("\(report.device.id): \(why)")
            } else if request.bytes > free {
                objections.append("\(report.device.id): \(free) of \(report.device.memory) is free")
                mayFitLater = mayFitLater || request.bytes <= report.device.memory
            } else if best.map({ free > $0.free }) ?? true {
                best = (report.device, free)
            }
        }
        if let best { return best.device }
        let why = "\(request.bytes) for \(asked) does not fit: \(objections.prefix(8).joined(separator: "; "))"
        throw mayFitLater ? .tooMany(why) : .conflict(why)
    }

    private func objection(to report: DeviceReport) -> String? {
        if let why = report.blocked { return "not given work: \(why)" }
        if let cordon = cordon(on: report.device.id) {
            let what = cordon.target.device == nil ? "its node is" : "it is"
            let how = cordon.drains ? "drained" : "cordoned"
            return "\(what) \(how) by \(cordon.by): \(cordon.reason) (`hcs uncordon` ends that)"
        }
        guard report.health.band.acceptsWork else {
            return "health \(report.health.band.rawValue)\(report.health.reasons.first.map { ": \($0.detail)" } ?? "")"
        }
        return report.device.simulated && settings.simulated == nil ? "simulated devices cannot be used here" : nil
    }

    /// As the scheduler counts it: the larger of what is promised and what the driver sees in use is taken.
    private func freeMemory(of report: DeviceReport) -> ByteCount {
        report.device.memory.subtracting(max(promised(on: report.device.id), report.sample?.memoryUsed ?? .zero))
    }

    /// Segment first: one without a record is swept at the next start, a record without a segment would be a promise.
    private func keep(_ record: LeaseRecord, gid: UInt32) throws(AgentError) {
        try quotas.create(record.id, limits: Self.limits(record), owner: (record.uid, gid))
        do {
            try FileManager.default.createDirectory(
                atPath: settings.leaseDirectory, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            try WorkloadRecord.write(record, to: LeaseRecord.path(record.id, in: settings.leaseDirectory))
        } catch {
            quotas.remove(record.id)
            throw error as? AgentError ?? AgentError(.io, "could not make \(settings.leaseDirectory): \(error)")
        }
    }

    private static func limits(_ record: LeaseRecord) -> [SegmentDevice] {
        QuotaManager.limits([record.grant], [record.device])
    }

    // MARK: Watching

    /// Finds the leases of an earlier agent. One of another boot, or without its segment, is over.
    func rediscoverLeases() {
        for id in LeaseRecord.all(in: settings.leaseDirectory) {
            let path = LeaseRecord.path(id, in: settings.leaseDirectory)
            do {
                let record = try WorkloadRecord.read(LeaseRecord.self, from: path)
                guard record.bootID == settings.bootID, record.id == id else {
                    throw AgentError(.unavailable, "it is of another boot")
                }
                try quotas.adopt(id, limits: Self.limits(record), owner: record.uid)
                leases[id] = LeaseEntry(record: record, reading: quotas.observe(id))
                logger.info("lease \(id) of user \(record.uid) found again")
            } catch {
                logger.notice("lease \(id) is over: \(error)")
                unlink(path)
            }
        }
    }

    func watchLeases(_ now: Int64) {
        for id in leases.keys.sorted() {
            guard var lease = leases[id] else { continue }
            lease.reading = look(at: id)
            tell(lease.reading.problems, of: id)
            if lease.reading.count > 0 || leads(lease.record) {
                lease.goneSince = nil
            } else if let since = lease.goneSince, now - since >= Self.leaseGraceMilliseconds {
                // A descendant that has not touched a device yet has no slot: its environment names the segment.
                lease.goneSince = now
                if !isNamed(quotas.path(of: id)), end(lease) { continue }
            } else {
                lease.goneSince = lease.goneSince ?? now
            }
            leases[id] = lease
        }
    }

    /// A process whose first thread has ended is shown as a zombie while its others run.
    private func leads(_ record: LeaseRecord) -> Bool {
        guard let stat = try? Procfs().stat(of: record.pid), stat.startTime == record.startTime else { return false }
        return stat.isRunning || ((try? SmallFile.names(in: "/proc/\(record.pid)/task"))?.count ?? 0) > 1
    }

    private func isNamed(_ segment: String) -> Bool {
        let needle = Array("HCS_SEGMENT=\(segment)".utf8)
        return ((try? Procfs().pids()) ?? []).contains { pid in
            guard let bytes = try? SmallFile.read("/proc/\(pid)/environ", limit: 4 << 20) else { return false }
            return bytes.split(separator: 0).contains { $0.elementsEqual(needle) }
        }
    }

    private func end(_ lease: LeaseEntry) -> Bool {
        guard quotas.remove(lease.record.id) else { return false }
        unlink(LeaseRecord.path(lease.record.id, in: settings.leaseDirectory))
        leases[lease.record.id] = nil
        logger.info("lease \(lease.record.id) of user \(lease.record.uid) ended with its processes")
        return true
    }
}
