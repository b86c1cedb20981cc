import Glibc
import HCSTestSupport
import Testing

@testable import HCSSystem

@Suite struct KernelLogTests {
    func parse(_ text: String) -> KernelLogRecord? { KernelLogRecord(parsing: Array(text.utf8)) }

    @Test func `a record of the kernel has its facility, level, sequence, time and text`() {
        let record = parse(
            "3,1234,56789012,-;NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n"
        )
        #expect(
            record
                == KernelLogRecord(
                    sequence: 1234, monotonicMicroseconds: 56_789_012, facility: 0, level: 3,
                    text: "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."))
        #expect(record?.fromUserSpace == false)
    }

    @Test func `a record that user space wrote is told apart by its facility`() {
        #expect(parse("11,1,2,-;hello\n")?.fromUserSpace == true)
        #expect(parse("11,1,2,-;hello\n")?.level == 3)
        #expect(parse("4294967295,1,2,-;x\n")?.facility == 536_870_911)
    }

    @Test func `fields that later kernels add are passed over`() {
        #expect(parse("6,1,2,c,caller=T123,more=x;a;b\n")?.text == "a;b")
    }

    @Test(arguments: [
        (#"a\x0ab"#, "a\nb"), (#"\x5cx41"#, #"\x41"#), (#"\xzz"#, #"\xzz"#), (#"end\"#, #"end\"#),
        (#"end\x4"#, #"end\x4"#),
        (#"\xc3\xa4"#, "ä"), (#"\xff"#, "\u{FFFD}"), ("", ""),
    ])
    func `escapes are read as the kernel writes them`(escaped: String, plain: String) {
        #expect(parse("6,1,2,-;\(escaped)\n")?.text == plain)
    }

    @Test(arguments: [
        "", ";", "6,1,2;x", "6,1;x", "-6,1,2,-;x", "6,+1,2,-;x", "6,1,,-;x", "6,99999999999999999999,2,-;x",
        "x,1,2,-;y", "no head",
        "4294967296,1,2,-;x", " 6,1,2,-;x",
    ])
    func `what is no record is nil`(text: String) {
        #expect(parse(text) == nil)
    }

    @Test func `any bytes are survived`() {
        var generator = SystemRandomNumberGenerator()
        for size in [0, 1, 100, 8192, 16384] {
            for _ in 0..<50 {
                let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
                _ = KernelLogRecord(parsing: bytes)
                _ = KernelLogRecord(parsing: Array("6,1,2,-;".utf8) + bytes)
            }
        }
        let long = String(repeating: "A", count: 8192)
        #expect(parse("6,1,2,-;\(long)\n")?.text.count == 8192)
    }

    @Test func `a gap in the sequence numbers is what was lost`() {
        #expect(KernelLog.gap(after: nil, to: 9) == 0)
        #expect(KernelLog.gap(after: 8, to: 9) == 0)
        #expect(KernelLog.gap(after: 8, to: 12) == 3)
        #expect(KernelLog.gap(after: 12, to: 8) == 0)
        #expect(KernelLog.gap(after: .max, to: 0) == 0)
    }

    static let readable = (try? KernelLog(start: .beginning)) != nil

    @Test(.enabled(if: readable, "skipped, because /dev/kmsg cannot be read here"))
    func `the kernel's own log is read from its beginning, in order`() throws {
        var log = try KernelLog(start: .beginning)
        let batch = try log.readAvailable(limit: 20)
        let sequences = batch.records.compactMap(\.sequence)
        #expect(!sequences.isEmpty)
        #expect(sequences == sequences.sorted())
        let middle = try #require(sequences.dropLast().last)
        var later = try KernelLog(start: .after(middle))
        let next = try later.readAvailable(limit: 1000)
        #expect(next.records.first?.sequence == sequences.last)
        #expect(next.dropped == 0)
    }

    @Test func `no such device is an error with its path`() {
        let error = #expect(throws: SystemError.self) { _ = try KernelLog(path: "/nonexistent/kmsg") }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("/nonexistent/kmsg") == true)
    }
}
