import CHCSProbe
import HCSModel
import HCSTestSupport
import Testing

@testable import HCSProbe

@Suite struct PCIeErrorsTests {
    let tree: HostTree
    init() throws {
        tree = try HostTree()
        try tree.function("0000:3b:00.0", vendor: "0x10de", class: "0x030200", below: ["0000:00:01.0", "0000:3a:00.0"])
        try tree.function("0000:00:01.0", vendor: "0x8086", class: "0x060400")
        try tree.function("0000:3a:00.0", vendor: "0x1000", class: "0x060400", below: ["0000:00:01.0"])
        // A network card and a management display of an accelerator vendor, and a bridge of another.
        try tree.function("0000:41:00.0", vendor: "0x19e5", class: "0x020000")
        try tree.function("0000:42:00.0", vendor: "0x19e5", class: "0x030000")
        try tree.function("0000:43:00.0", vendor: "0x1d94", class: "0x060400")
    }

    func counters(_ address: String, _ file: String, _ text: String) throws {
        try tree.write(text, "/sys/bus/pci/devices/\(address)/\(file)")
    }

    func program(_ device: String, severity: UInt32, status: UInt32) -> HostEvent? {
        var source = PCIeErrors(options: tree.options())
        var raw = hcs_pcie_event()
        raw.severity = UInt8(severity)
        raw.status = status
        fill(&raw.device, device)
        return event(&source, raw)
    }

    @Test func `a counter that grew is an error of the accelerator, with the kernel's names`() throws {
        try counters("0000:3b:00.0", "aer_dev_correctable", "RxErr 0\nBadTLP 5\nBadDLLP 1\nTOTAL_ERR_COR 6\n")
        try counters("0000:3b:00.0", "aer_dev_fatal", "DLP 0\nTOTAL_ERR_FATAL 0\n")
        var source = PCIeErrors(options: tree.options())
        let first = source.look()
        #expect(first.events.isEmpty)
        #expect(first.coverage == .reads("PCIe error counters of 1 function"))
        try counters("0000:3b:00.0", "aer_dev_correctable", "RxErr 0\nBadTLP 8\nBadDLLP 2\nTOTAL_ERR_COR 10\n")
        try counters("0000:3b:00.0", "aer_dev_fatal", "DLP 1\nTOTAL_ERR_FATAL 1\n")
        let found = source.look().hostEvents
        #expect(found.map(\.severity) == [.warning, .fatal])
        #expect(found.map(\.count) == [4, 1])
        #expect(found.first?.codes == ["BadTLP", "BadDLLP"])
        #expect(found.first?.seen.via == .polling)
        #expect(found.allSatisfy { $0.kind == .pcieError && $0.pci == PCIAddress("0000:3b:00.0") })
        #expect(source.look().events.isEmpty)
    }

    @Test func `an error at a port concerns the accelerators below it`() throws {
        try counters("0000:3a:00.0", "aer_dev_nonfatal", "TLP 0\n")
        var source = PCIeErrors(options: tree.options())
        _ = source.look()
        try counters("0000:3a:00.0", "aer_dev_nonfatal", "TLP 2\n")
        let found = try #require(source.look().hostEvents.first)
        #expect(found.pci == PCIAddress("0000:3a:00.0") && found.accelerators == [PCIAddress("0000:3b:00.0")])
        #expect(found.severity == .error && found.count == 2)
    }

    @Test(arguments: ["0000:3b:00.0", "0000:3a:00.0", "0000:00:01.0"])
    func `the program tells the same of the device and of each port above`(address: String) throws {
        let found = try #require(program(address, severity: 0, status: 1 << 12))
        #expect(found.kind == .pcieError && found.severity == .error && found.codes == ["TLP"])
        #expect(found.pci == PCIAddress(address) && found.accelerators == [PCIAddress("0000:3b:00.0")])
        #expect(found.seen.via == .bpf)
    }

    @Test func `a fatal error may come without status bits`() throws {
        let found = try #require(program("0000:3b:00.0", severity: 1, status: 0))
        #expect(found.severity == .fatal && found.codes.isEmpty)
    }

    @Test(arguments: ["0000:41:00.0", "0000:42:00.0", "0000:43:00.0", "0000:99:00.0", "", "x", "0000:3b:00.0x"])
    func `other functions' errors and other texts are no events`(device: String) {
        #expect(program(device, severity: 2, status: 1) == nil)
    }

    @Test func `an unknown severity and an event cut short are no events`() {
        #expect(program("0000:3b:00.0", severity: 7, status: 1) == nil)
        var source = PCIeErrors(options: tree.options())
        #expect(event(&source, hcs_pcie_event(), bytes: 16) == nil)
        #expect(event(&source, hcs_pcie_event(), bytes: 0) == nil)
    }

    @Test func `a card that fell off the bus is still known to the program's events`() throws {
        var source = PCIeErrors(options: tree.options())
        tree.remove("/sys/bus/pci/devices/0000:3b:00.0")
        var raw = hcs_pcie_event()
        raw.severity = 1
        fill(&raw.device, "0000:3a:00.0")
        #expect(event(&source, raw)?.accelerators == [try #require(PCIAddress("0000:3b:00.0"))])
    }

    @Test func `a replaced card's counters begin anew and its old ones are forgotten`() throws {
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 5\n")
        var source = PCIeErrors(options: tree.options())
        _ = source.look()
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 1\n")
        #expect(source.look().events.isEmpty)
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 2\n")
        #expect(source.look().hostEvents.first?.count == 1)
        tree.remove("/sys/bus/pci/devices/0000:3b:00.0")
        #expect(!source.look().isReading)
        try tree.function("0000:3b:00.0", vendor: "0x10de", class: "0x030200")
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 100\n")
        #expect(source.look().events.isEmpty)
    }

    @Test func `any content of a counter file is survived`() throws {
        var source = PCIeErrors(options: tree.options())
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 18446744073709551615\nRxErr 1\n")
        _ = source.look()
        for text in [
            "", "\n\n", "BadTLP", "BadTLP -1", "BadTLP 99999999999999999999999", "BadTLP 1 2", "BadTLP x\n",
            "\u{0}\u{1}", String(repeating: "x", count: 40) + " 1", String(repeating: "BadTLP 1\n", count: 10_000),
        ] {
            try counters("0000:3b:00.0", "aer_dev_correctable", text)
            #expect(source.look().events.isEmpty)
        }
    }

    @Test func `sums that no number holds stay the largest`() throws {
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 0\nRxErr 0\n")
        var source = PCIeErrors(options: tree.options())
        _ = source.look()
        try counters("0000:3b:00.0", "aer_dev_correctable", "BadTLP 18446744073709551615\nRxErr 1\n")
        #expect(source.look().hostEvents.first?.count == .max)
    }

    @Test func `a host without accelerators or counters says so`() throws {
        var source = PCIeErrors(options: tree.options())
        #expect(source.look().coverage == .nothing("no PCIe error counters in sysfs (kernel without CONFIG_PCIEAER)"))
        var empty = PCIeErrors(options: try HostTree().options())
        #expect(empty.look().coverage == .nothing("no accelerator on the PCI bus"))
    }
}
