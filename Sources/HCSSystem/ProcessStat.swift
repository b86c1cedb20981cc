/// The fields of /proc/PID/stat that HCS uses (proc(5)).
package struct ProcessStat: Hashable, Sendable {
    package var pid: Int32
    /// The program's short name: any bytes the program likes, parentheses and blanks included.
    package var name: String
    package var state: Character
    package var parent: Int32
    /// Clock ticks since boot, field 22: with the pid it names a process for all time.
    package var startTime: UInt64

    /// Neither a zombie nor dead.
    package var isRunning: Bool { state != "Z" && state != "X" && state != "x" }

    package init(pid: Int32, name: String, state: Character, parent: Int32, startTime: UInt64) {
        self.pid = pid
        self.name = name
        self.state = state
        self.parent = parent
        self.startTime = startTime
    }

    /// nil when the bytes do not have the form. The name ends at the last `)`: it may hold others.
    package init?(parsing bytes: [UInt8]) {
        guard let open = bytes.firstIndex(of: UInt8(ascii: "(")), let close = bytes.lastIndex(of: UInt8(ascii: ")")),
            open < close
        else { return nil }
        let head = String(decoding: bytes[..<open], as: UTF8.self)
        let rest = String(decoding: bytes[(close + 1)...], as: UTF8.self)
            .split(whereSeparator: { $0 == " " || $0 == "\n" })
        // rest[0] is field 3
        guard let pid = Int32(head.split(separator: " ").first ?? ""), rest.count >= 20, let state = rest[0].first,
            rest[0].count == 1, let parent = Int32(rest[1]), let startTime = UInt64(rest[19])
        else { return nil }
        self.init(
            pid: pid, name: String(decoding: bytes[(open + 1)..<close], as: UTF8.self), state: state, parent: parent,
            startTime: startTime)
    }
}
