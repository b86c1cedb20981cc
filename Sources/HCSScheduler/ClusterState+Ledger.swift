import HCSAPI
import HCSModel
import HCSPlacement

/// What was given out, and what of it the agents see in use.
struct Ledger {
    struct DeviceEntry {
        var granted = ByteCount.zero
        var compute = 0
        var isHeldWhole = false
        /// In use by segments, contexts and modules included.
        var segmentUsed = ByteCount.zero
        var names: Set<String> = []
        /// Local leases, which have no name here.
        var leases = 0

        var holders: Int { names.count + leases }
    }

    struct NodeEntry {
        var cpuMilli = 0
        var memory = ByteCount.zero
        var groups: [String: Int] = [:]
    }

    private(set) var devices: [DeviceKey: DeviceEntry] = [:]
    private(set) var nodes: [String: NodeEntry] = [:]

    fileprivate mutating func add(_ grants: [DeviceGrant], of record: WorkloadRecord, on node: String) {
        let asked = record.spec.placement
        nodes[node, default: NodeEntry()].cpuMilli += asked.cpuMilli
        nodes[node, default: NodeEntry()].memory = (nodes[node]?.memory ?? .zero).adding(asked.memory)
        nodes[node, default: NodeEntry()].groups[PlacementRequest(record.spec).spreadGroup, default: 0] += 1
        for grant in grants { add(grant, name: record.spec.name, on: node) }
    }

    private mutating func add(_ grant: DeviceGrant, name: String, on node: String) {
        var entry = devices[DeviceKey(node: node, device: grant.device)] ?? DeviceEntry()
        entry.granted = entry.granted.adding(grant.quota)
        if grant.whole == true { entry.isHeldWhole = true }
        entry.compute += grant.whole == true ? DeviceState.wholeCompute : grant.computeMilli ?? 0
        entry.names.insert(name)
        devices[DeviceKey(node: node, device: grant.device)] = entry
    }

    fileprivate mutating func add(quota: ByteCount, unknown name: String, on key: DeviceKey) {
        devices[key, default: DeviceEntry()].granted = (devices[key]?.granted ?? .zero).adding(quota)
        devices[key, default: DeviceEntry()].names.insert(name)
    }

    fileprivate mutating func add(lease: ByteCount, count: Int, on key: DeviceKey) {
        devices[key, default: DeviceEntry()].granted = (devices[key]?.granted ?? .zero).adding(lease)
        devices[key, default: DeviceEntry()].leases += count
    }

    fileprivate mutating func add(usage: [DeviceUsage], on node: String) {
        for seen in usage {
            let key = DeviceKey(node: node, device: seen.device)
            let used = seen.used.adding(seen.overhead ?? .zero)
            devices[key, default: DeviceEntry()].segmentUsed = (devices[key]?.segmentUsed ?? .zero).adding(used)
        }
    }
}

extension ClusterState {
    /// An attempt that still drains counts, and so does what an agent runs although this scheduler, which may have lost
    /// its store, does not know it, and what it gave to its host's own users.
    func ledger(of names: some Sequence<String>) -> Ledger {
        var ledger = Ledger()
        for node in names {
            for record in work(on: node) {
                if !record.phase.hasEnded, record.node == node { ledger.add(record.grants, of: record, on: node) }
                if let previous = record.previous, previous.node == node {
                    ledger.add(previous.grants, of: record, on: node)
                }
            }
            guard let report = nodes[node]?.report else { continue }
            for seen in report.workloads where seen.phase != .ended {
                ledger.add(usage: seen.usage, on: node)
                guard workloads[seen.id] == nil else { continue }
                for usage in seen.usage {
                    ledger.add(
                        quota: usage.quota, unknown: seen.id.text, on: DeviceKey(node: node, device: usage.device))
                }
            }
            for lease in report.leases ?? [] { ledger.add(usage: lease.usage, on: node) }
            for device in report.devices where device.localGranted > .zero {
                let leases = report.leases?.count { $0.grant.device == device.device.id } ?? 1
                ledger.add(
                    lease: device.localGranted, count: leases, on: DeviceKey(node: node, device: device.device.id))
            }
        }
        return ledger
    }

    /// A device as the placement sees it.
    func state(of report: DeviceReport, on node: String, _ ledger: Ledger) -> DeviceState {
        let key = DeviceKey(node: node, device: report.device.id)
        let entry = ledger.devices[key] ?? Ledger.DeviceEntry()
        return DeviceState(
            device: report.device, health: report.health, blocked: report.blocked, cordon: cordonWords(on: key),
            pool: policy.pool(node: node, model: report.device.model), granted: entry.granted,
            grantedCompute: entry.compute, holders: entry.holders,
            isHeldWhole: entry.isHeldWhole, driverUsed: report.sample?.memoryUsed, segmentUsed: entry.segmentUsed,
            margin: settings.margin.of(report.device))
    }

    /// Whatever a node says of itself, or a store holds.
    static func cpuMilli(of host: HostFacts) -> Int { min(max(0, host.cpuCount), APILimits.cpusPerNode) * 1000 }

    /// A node as the placement sees it.
    func state(of entry: NodeEntry, _ ledger: Ledger, monotonic: Int64) -> NodeState {
        let name = entry.record.name
        let host = entry.report?.host ?? entry.record.host
        let given = ledger.nodes[name] ?? Ledger.NodeEntry()
        return NodeState(
            name: name,
            notReady: notReady(entry, monotonic: monotonic) ?? Self.unhealthy(entry)
                ?? setAside(name, monotonic: monotonic),
            devices: reports(of: entry).map { state(of: $0, on: name, ledger) },
            cpuMilli: host.cpuCount > 0 ? Self.cpuMilli(of: host) : nil, grantedCPUMilli: given.cpuMilli,
            memory: host.memory > .zero ? host.memory : nil, grantedMemory: given.memory,
            numaNodes: host.numaNodes.isEmpty ? nil : host.numaNodes.count, software: host.software ?? [],
            groups: given.groups)
    }

    /// Why an operator keeps work off a device, its own order first; nil = nobody does.
    private func cordonWords(on key: DeviceKey) -> String? {
        guard !cordons.isEmpty, let cordon = cordon(on: key) else { return nil }
        let whose = cordon.target.device == nil ? "node \(key.node) is " : ""
        return "\(whose)\(cordon.drains ? "being drained" : "cordoned") by \(cordon.by): \(cordon.reason)"
    }
}
