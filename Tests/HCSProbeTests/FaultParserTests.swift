import HCSModel
import HCSSystem
import Testing

@testable import HCSProbe

@Suite struct FaultParserTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var vendor: Vendor
        var family: String
        var code: UInt32
        var pci: String?
        var testDescription: String { text }
    }

    static let faults = [
        Case(
            text: "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.", vendor: .nvidia,
            family: "xid", code: 79, pci: "0000:3b:00.0"),
        Case(
            text: "NVRM: Xid (PCI:0000:3b:00.0): 31, pid=1", vendor: .nvidia, family: "xid", code: 31,
            pci: "0000:3b:00.0"),
        Case(
            text: "NVRM: Xid (PCI:00000000:3B:00.0): 48", vendor: .nvidia, family: "xid", code: 48, pci: "0000:3b:00.0"),
        Case(
            text: "NVRM: Xid (PCI:dead:01:1f): 79, pid='<unknown>', name=<unknown> [hcs simulated]", vendor: .nvidia,
            family: "xid", code: 79, pci: "dead:01:1f.0"),
        Case(
            text: "NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 94, pid=7", vendor: .nvidia, family: "xid", code: 94,
            pci: "0000:3b:00.0"),
        Case(
            text: "NVRM: Xid (0000:0c:00): 13, Graphics Exception", vendor: .nvidia, family: "xid", code: 13,
            pci: "0000:0c:00.0"),
        Case(text: "CNRM: Xid [ipu_core 3]: 3, ECC error", vendor: .cambricon, family: "cnrm-xid", code: 3, pci: nil),
        Case(text: "CNRM: Xid [N/A]: 9", vendor: .cambricon, family: "cnrm-xid", code: 9, pci: nil),
        Case(
            text: "cambricon-drv 0000:17:00.0: CNRM: Xid [N/A]: 8, HBM", vendor: .cambricon, family: "cnrm-xid",
            code: 8, pci: "0000:17:00.0"),
        Case(
            text: "hydcu 0000:33:00.0: XID:2 UMC UE", vendor: .hygon, family: "hydcu-xid", code: 2, pci: "0000:33:00.0"),
        Case(
            text: "amdgpu 0000:33:00.0: amdgpu: xid : 50", vendor: .hygon, family: "hydcu-xid", code: 50,
            pci: "0000:33:00.0"),
        Case(
            text: "[ascend] [devdrv] [ERROR] [devdrv_init 12] <x:1:2> failed", vendor: .ascend, family: "ascend-error",
            code: 0, pci: nil),
    ]

    @Test(arguments: faults)
    func `a vendor's line is read`(fault: Case) {
        #expect(
            FaultParser.parse(fault.text)
                == FaultParser.Finding(
                    vendor: fault.vendor, family: fault.family, code: fault.code,
                    pci: fault.pci.flatMap { PCIAddress($0) }))
    }

    @Test(arguments: [
        "", " ", "usb 1-1: new device", "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.65", "NVRM: Xid",
        "NVRM: Xid (",
        "NVRM: Xid (PCI:): 79", "NVRM: Xid (PCI:0000:3b:00): ", "NVRM: Xid (PCI:0000:3b:00): x",
        "NVRM: Xid (PCI:0000:3b:00): -79, x",
        "NVRM: Xid (PCI:0000:3b:00): 79 and more", "NVRM: Xid (PCI:0000:3b:00): 4294967375,",
        "NVRM: Xid (PCI:0000:3b:00): 1000079, x",
        "NVRM: Xid (PCI:0000:3b:00): 9999999999999999999999,",
        "NVRM: Xid (PCI:+000:3b:00): 79,", "NVRM: Xid (PCI:0000:3b:20.0): 79,", "NVRM: Xid (PCI:3b:00): 79,",
        "NVRM: Xid (PCI:0000:3b:00:11): 79,",
        "NVRM: Xid (PCI:0000:3b:00 GPU-I:): 79", "NVRM: Xid (PCI:0000:3b:00): ７９, ",
        "xNVRM: Xid (PCI:0000:3b:00): 79, ",
        "nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 12028, Non-fatal", "hydcu 0000:33:00.0: SXID:204 link",
        "hydcu 0000:33:00.0: XID:2x",
        "hydcu 0000:33:00.0: XID", "XID:2", "hydcu: XID:2", "CNRM: Xid []: 3, x", "CNRM: Xid [a: 3",
        "[ascend] [devdrv] [INFO] x", "[ascend] x [ERROR]",
        "hydcu 0000:33:00.0: \(String(repeating: "z", count: 70)) XID:2",
    ])
    func `other lines are no faults`(text: String) {
        #expect(FaultParser.parse(text) == nil)
    }

    /// A process's name has 15 bytes and anybody chooses it; these are the kernel's lines that begin with one.
    @Test(arguments: [
        "NVRM: Xid (PCI:", "NVRM: Xid (0000", "CNRM: Xid [a]: ", "CNRM: Xid []: 3", "CNRM: Xid [abcd", "kfd XID:2",
        "XID:79 amdgpu", "kfd 3b:00 XID:2",
        "kfd 0000:3b:00:", "kfd 0000:3b:00 ", "kfd 0000:3b:00", "kfd: XID:79, x ", "[ascend][ERROR]", "[ascend] [a] [E",
        "amdgpu XID: 2, ",
    ])
    func `no process's name makes a fault of the kernel's own lines`(name: String) {
        #expect(name.utf8.count <= 15)
        for line in [
            "\(name)[1234]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in XID:2[5560+1000]",
            "\(name) invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
            "\(name): page allocation failure: order:9, mode:0xcc0, nodemask=(null),cpuset=XID:2,mems_allowed=0",
            "\(name): soft lockup in XID:2",
            "\(name) (1234): drop_caches: 3", "\(name)[1] general protection fault ip:0 sp:0 error:0 in XID:2, [1+1]",
            "process '/tmp/hydcu 0000:33:00.0: XID:2' started with executable stack",
            "traps: \(name)[1] trap divide error ip:1",
        ] {
            #expect(FaultParser.parse(line) == nil, "\(line)")
        }
    }

    @Test func `any text is survived`() {
        var generator = SystemRandomNumberGenerator()
        let starts = ["", "NVRM: Xid (PCI:", "CNRM: Xid [", "hydcu 0000:33:00.0: XID:", "[ascend] ["]
        for start in starts {
            for _ in 0..<200 {
                let scalars = (0..<64).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x2ff, using: &generator))
                }
                _ = FaultParser.parse(start + String(String.UnicodeScalarView(scalars)))
            }
            _ = FaultParser.parse(start + String(repeating: "9", count: 1 << 16))
            _ = FaultParser.parse(start + String(repeating: "e\u{301}", count: 1 << 14))
        }
    }

    func event(_ text: String, facility: UInt32 = 0, simulated: Bool = false) -> KernelLogEvent {
        KernelLogEvent(
            record: KernelLogRecord(sequence: 5, monotonicMicroseconds: 1, facility: facility, level: 3, text: text),
            seenMonotonicNanoseconds: 1, atMilliseconds: 1_700_000_000_000, via: .polling, isHistory: false,
            simulated: simulated || FaultParser.isMarkedSimulated(text))
    }

    @Test func `what user space wrote into the kernel log counts only when trusted`() {
        let written = event("NVRM: Xid (PCI:dead:3b:00): 79, x [hcs simulated]", facility: 1)
        #expect(FaultParser.fault(in: written, trustUserKmsg: false) == nil)
        let fault = FaultParser.fault(in: written, trustUserKmsg: true)
        #expect(fault?.simulated == true && fault?.code == 79 && fault?.sequence == 5)
        #expect(fault?.atMilliseconds == 1_700_000_000_000)
        let real = FaultParser.fault(in: event("NVRM: Xid (PCI:0000:3b:00): 79, x"), trustUserKmsg: false)
        #expect(real?.simulated == false)
    }

    @Test(arguments: faults)
    func `no fault's line is taken for another by its beginning`(fault: Case) {
        #expect(FaultParser.mayBeFault(fault.text))
        #expect(!FaultParser.mayBeFault(" \(fault.text)") && !FaultParser.mayBeFault("usb 1-1: \(fault.text)"))
    }

    @Test func `only the end of a line marks it simulated`() {
        #expect(FaultParser.isMarkedSimulated("x [hcs simulated]"))
        #expect(FaultParser.isMarkedSimulated("x [hcs simulated] \n"))
        #expect(!FaultParser.isMarkedSimulated("[hcs simulated] x"))
        #expect(!FaultParser.isMarkedSimulated(""))
    }

    @Test(arguments: [
        (
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.",
            "GPU has fallen off the bus"
        ),
        (
            "NVRM: Xid (PCI:ffff:10:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus. [hcs simulated]",
            "GPU has fallen off the bus"
        ),
        (
            "NVRM: Xid (PCI:0000:3b:00): 31, pid=7, name=a, b, Ch 00000010, intr 10000000. MMU Fault",
            "b, Ch 00000010, intr 10000000. MMU Fault"
        ),
        ("NVRM: Xid (PCI:0000:3b:00): 79", ""), ("NVRM: Xid (PCI:0000:3b:00): 79, pid=7, name=x", ""),
        ("cambricon 0000:3b:00.0: CNRM: Xid [N/A]: 3, ECC error", "ECC error"),
        ("hydcu 0000:33:00.0: ring timeout, XID:2", "ring timeout, XID:2"),
        ("[ascend] [devdrv] [ERROR] [probe 1] <a:1:2> it failed", "[probe 1] <a:1:2> it failed"),
    ])
    func `a fault's message is what the driver says, without process, prefix and mark; its record is the whole line`(
        text: String, message: String
    ) {
        let fault = FaultParser.fault(in: event(text), trustUserKmsg: false)
        #expect(fault?.message == message)
        #expect(fault?.record == text)
    }

    @Test func `a fault's message and record are one printable line of bounded length`() {
        let text = "NVRM: Xid (PCI:0000:3b:00): 79, a\nb\u{1b}[31m\u{202e}\(String(repeating: "y", count: 1000))"
        let fault = FaultParser.fault(in: event(text), trustUserKmsg: false)
        #expect(fault?.record.hasPrefix("NVRM: Xid (PCI:0000:3b:00): 79, a b [31m y") == true)
        #expect(fault?.record.unicodeScalars.count == 300)
        #expect(fault?.message.hasPrefix("a b [31m y") == true)
        #expect(fault?.message.unicodeScalars.count == 120)
    }
}
