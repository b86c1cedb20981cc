internal import HCSModel
internal import HCSSystem

/// InfiniBand and RoCE ports that were active and are not (Documentation/ABI/stable/sysfs-class-infiniband). Only a port
/// that was seen active is watched: one where nothing is plugged in is nobody's fault.
struct FabricPorts: EventSource {
    static let name = "fabric-ports"
    static let tracepoint: String? = nil
    static let program: StaticString? = nil
    static let interval: Int32 = 5000

    /// Of a host with many virtual functions.
    private static let portLimit = 1024
    /// Told again after so many looks: a lost event is made up for.
    private static let looksBetween = 60

    private let root: HostRoot
    /// Of ports that were active: looks since they are not, 0 while they are.
    private var watched: [String: Int] = [:]
    private var losses = CounterWatch<String>()

    init(options: ProbeOptions) { root = options.root }

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

    mutating func look() -> FileLook {
        let directory = root.path("/sys/class/infiniband")
        var names: [String] = []
        for device in DirectoryWalk.names(in: directory, limit: Self.portLimit).sorted() {
            let ports = DirectoryWalk.names(in: "\(directory)/\(device)/ports", limit: Self.portLimit).sorted()
            names += ports.prefix(Self.portLimit - names.count).map { "\(device)/\($0)" }
        }
        var events = names.compactMap { name -> ProbeEvent? in
            let parts = name.split(separator: "/")
            return judge(name, at: "\(directory)/\(parts[0])/ports/\(parts[1])")
        }
        let there = Set(names)
        for (name, looks) in watched where !there.contains(name) {
            // Its driver was unloaded, or a container has it now. When it comes back it is another.
            watched[name] = nil
            if looks > 0 { events.append(event(.info, name, "is not there any more")) }
        }
        losses.keep { there.contains($0) }
        guard !names.isEmpty else { return FileLook(events: events, coverage: .nothing("no InfiniBand or RoCE port")) }
        return FileLook(
            events: events,
            coverage: .reads("the states of \(names.count) InfiniBand or RoCE port\(names.count == 1 ? "" : "s")"))
    }

    private mutating func judge(_ name: String, at path: String) -> ProbeEvent? {
        // A state that cannot be read, as while the device is reset, says nothing.
        guard let state = Self.word(path, "state") else { return nil }
        let lost = SmallNumber.read("\(path)/counters/link_downed").map { losses.growth(of: name, to: $0) } ?? 0
        let looks = watched[name]
        // enum ib_port_state of include/rdma/ib_verbs.h: 4 is ACTIVE, 5 ACTIVE_DEFER.
        guard state.number == 4 || state.number == 5 else {
            guard let looks else { return nil }
            if Self.isSetDown(path) {
                watched[name] = nil
                return looks > 0 ? event(.info, name, "was set down") : nil
            }
            watched[name] = looks + 1
            guard looks.isMultiple(of: Self.looksBetween) else { return nil }
            let physical = Self.word(path, "phys_state").map { ", physically \($0.text)" } ?? ""
            return event(.error, name, "was active and is \(state.text)\(physical)")
        }
        watched[name] = 0
        switch looks {
        case nil: return nil
        case 0?: return lost > 0 ? event(.info, name, "went down and came back", count: lost) : nil
        default: return event(.info, name, "is active again")
        }
    }

    private func event(_ severity: HostEvent.Severity, _ name: String, _ what: String, count: UInt64 = 1) -> ProbeEvent
    {
        let port = PrintableText.of(name.utf8, limit: 64)
        return .host(
            HostEvent(
                .fabricPort, seen: .polling(), severity: severity, count: count, codes: [port],
                message: "port \(port) \(what)"))
    }

    /// A RoCE port follows its network device (`netif_running && netif_carrier_ok` in its drivers). One that was set down,
    /// or is in a container, was not lost: only one that is up and has no carrier.
    private static func isSetDown(_ port: String) -> Bool {
        guard let layer = try? SmallFile.text("\(port)/link_layer", limit: 64), layer.hasPrefix("Ethernet") else {
            return false
        }
        // Those of this network namespace alone are there.
        let networks = "\(port)/../../device/net"
        return !DirectoryWalk.names(in: networks, limit: 64).contains { name in
            guard let flags = try? SmallFile.text("\(networks)/\(name)/flags", limit: 64), flags.hasPrefix("0x") else {
                return false
            }
            // IFF_UP of netdevice(7).
            return UInt32(flags.dropFirst(2).prefix { $0.isHexDigit }, radix: 16).map { $0 & 1 == 1 } ?? false
        }
    }

    /// `1: DOWN`.
    private static func word(_ path: String, _ file: String) -> (number: Int, text: String)? {
        guard let line = try? SmallFile.text("\(path)/\(file)", limit: 4096),
            let colon = line.firstIndex(of: ":"), let number = Int(line[..<colon])
        else { return nil }
        let text = line[line.index(after: colon)...].prefix { $0 != "\n" }.drop { $0 == " " }
        return (number, PrintableText.of(text.utf8, limit: 32))
    }
}
