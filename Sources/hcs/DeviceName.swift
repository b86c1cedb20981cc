import HCSModel

/// A device as a command line names it: by its UUID or a beginning that no other has.
struct DeviceName: Hashable, Sendable {
    var node: String
    var id: DeviceID

    static func find(_ text: String, among devices: [DeviceName]) throws -> DeviceName {
        let wanted = text.lowercased()
        let exact = devices.filter { $0.id.uuid.lowercased() == wanted }
        let found =
            exact.isEmpty && !wanted.isEmpty ? devices.filter { $0.id.uuid.lowercased().hasPrefix(wanted) } : exact
        guard let device = found.first else {
            throw CommandFailure(.noSuchThing, "no device '\(text.prefix(96))'; `hcs devices` lists them")
        }
        guard found.count == 1 else {
            let names = found.prefix(4).map { "\($0.id) on \($0.node)" }.joined(separator: ", ")
            throw CommandFailure(
                .usage,
                "'\(text.prefix(96))' could be any of \(found.count) devices (\(names)): give more of it, or --node")
        }
        return device
    }
}
