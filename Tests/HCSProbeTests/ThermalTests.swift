import CHCSProbe
import HCSModel
import HCSTestSupport
import Testing

@testable import HCSProbe

@Suite struct ThermalTripsTests {
    let tree: HostTree
    init() throws {
        tree = try HostTree()
        try tree.write("x86_pkg_temp\n", "/sys/class/thermal/thermal_zone0/type")
        try tree.write("", "/sys/class/thermal/cooling_device0/type")
        try trip(0, "passive", 80_000, back: 5000)
        try trip(1, "critical", 100_000)
        try trip(2, "hot", 0)
        try temperature("50000")
    }

    func trip(_ number: Int, _ type: String, _ temperature: Int, back: Int = 0) throws {
        let path = "/sys/class/thermal/thermal_zone0/trip_point_\(number)"
        try tree.write("\(type)\n", "\(path)_type")
        try tree.write("\(temperature)\n", "\(path)_temp")
        try tree.write("\(back)\n", "\(path)_hyst")
    }

    func temperature(_ text: String) throws { try tree.write("\(text)\n", "/sys/class/thermal/thermal_zone0/temp") }

    @Test func `a zone that passes a trip point is told once, until it has come back below the hysteresis`() throws {
        var source = ThermalTrips(options: tree.options())
        #expect(source.look() == FileLook(coverage: .reads("1 thermal zone")))
        try temperature("80000")
        let found = try #require(source.look().hostEvents.first)
        #expect(found.kind == .thermalTrip && found.severity == .warning && found.amount == 80)
        #expect(found.codes == ["passive"] && found.message.contains("thermal_zone0 (x86_pkg_temp)"))
        for reading in ["81000", "76000", "80000"] {
            try temperature(reading)
            #expect(source.look().events.isEmpty)
        }
        try temperature("74000")
        #expect(source.look().events.isEmpty)
        try temperature("101000")
        #expect(source.look().hostEvents.map(\.severity) == [.warning, .fatal])
    }

    @Test func `the program tells the same`() throws {
        var source = ThermalTrips(options: tree.options())
        var raw = hcs_thermal_event()
        raw.temperature = 95_500
        fill(&raw.type, "acpitz")
        for (trip, severity): (UInt32, HostEvent.Severity) in [(0, .info), (1, .warning), (2, .error), (3, .fatal)] {
            raw.trip = trip
            let found = try #require(event(&source, raw))
            #expect(found.kind == .thermalTrip && found.severity == severity && found.amount == 95.5)
        }
        raw.temperature = .max
        #expect(event(&source, raw)?.amount == nil)
        raw.trip = 4
        #expect(event(&source, raw) == nil)
        #expect(event(&source, raw, bytes: 10) == nil)
    }

    @Test func `zones that hold anything are survived`() throws {
        var source = ThermalTrips(options: tree.options())
        for text in ["", "x", "2147483647", "-2147483648", "99999999999999999999999", "-274001", "1e5"] {
            try temperature(text)
            #expect(source.look().events.isEmpty)
        }
        try tree.write("critical!", "/sys/class/thermal/thermal_zone0/trip_point_0_type")
        try temperature("120000")
        #expect(source.look().events.isEmpty)
    }

    @Test func `a host without zones says so`() throws {
        var source = ThermalTrips(options: try HostTree().options())
        #expect(!source.look().isReading)
    }
}

@Suite struct SensorLimitsTests {
    let tree: HostTree
    init() throws {
        tree = try HostTree()
        try tree.function("0000:33:00.0", vendor: "0x1d94", class: "0x038000")
        try tree.link("/sys/class/hwmon/hwmon1/device", to: "../../../0000:33:00.0")
        try tree.link("/sys/class/hwmon/hwmon2/device", to: "../../../0000:01:00.0")
        for chip in [1, 2] {
            try sensor(chip, "input", "50000")
            try sensor(chip, "crit", "100000")
            try sensor(chip, "crit_hyst", "90000")
            try sensor(chip, "emergency", "105000")
            try sensor(chip, "label", "junction")
        }
    }

    func sensor(_ chip: Int, _ file: String, _ text: String) throws {
        try tree.write("\(text)\n", "/sys/class/hwmon/hwmon\(chip)/temp2_\(file)")
    }

    @Test func `an accelerator's sensor above its limit is told, another device's is not`() throws {
        var source = SensorLimits(options: tree.options())
        #expect(source.look() == FileLook(coverage: .reads("the sensors of 1 accelerator")))
        for chip in [1, 2] { try sensor(chip, "input", "101000") }
        let found = source.look().hostEvents
        #expect(found.map(\.severity) == [.error] && found.first?.pci == PCIAddress("0000:33:00.0"))
        #expect(found.first?.message.contains("junction") == true && found.first?.amount == 101)
        try sensor(1, "input", "95000")
        #expect(source.look().events.isEmpty)
        try sensor(1, "input", "106000")
        #expect(source.look().hostEvents.map(\.severity) == [.fatal])
        try sensor(1, "input", "89000")
        _ = source.look()
        try sensor(1, "input", "100000")
        #expect(source.look().hostEvents.map(\.severity) == [.error])
    }

    @Test func `sensors that hold anything are survived, and none are said to be none`() throws {
        var source = SensorLimits(options: tree.options())
        for text in ["", "x", "99999999999999999999", "-5", "2147483647"] {
            for file in ["input", "crit", "crit_hyst", "emergency"] { try sensor(1, file, text) }
            #expect(source.look().events.isEmpty)
        }
        var none = SensorLimits(options: try HostTree().options())
        #expect(!none.look().isReading)
    }
}

@Suite struct PressureTests {
    let tree: HostTree
    init() throws { tree = try HostTree() }

    func pressure(_ share: String) throws {
        try tree.write(
            "some avg10=90.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=\(share) avg60=0.00 avg300=0.00 total=4\n",
            "/proc/pressure/memory")
    }

    @Test func `a host that stands still is told once, until it has fallen to half`() throws {
        try pressure("0.00")
        var source = Pressure(options: tree.options())
        #expect(source.look() == FileLook(coverage: .reads("/proc/pressure/memory")))
        try pressure("12.50")
        let found = try #require(source.look().hostEvents.first)
        #expect(found.kind == .pressure && found.severity == .warning && found.amount == 12.5)
        #expect(found.codes == ["memory"])
        for share in ["30.00", "6.00", "12.00"] {
            try pressure(share)
            #expect(source.look().events.isEmpty)
        }
        try pressure("4.00")
        _ = source.look()
        try pressure("10.00")
        #expect(source.look().events.count == 1)
    }

    @Test func `files that hold anything are survived, and a kernel without PSI says so`() throws {
        var source = Pressure(options: tree.options())
        #expect(!source.look().isReading)
        for share in ["", "x", "nan", "inf", "-1", "101", "1e400", "0x1p3x"] {
            try pressure(share)
            #expect(source.look().events.isEmpty)
        }
    }
}
