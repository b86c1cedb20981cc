/// Replays the public life data of the GPUs of OLCF's Titan (github.com/olcf/TitanGPULife) through the score's own decaying
/// sum, to choose a half-life: at the start of each month every installed GPU is ranked by what was known of it until then,
/// and an event (double-bit error, off the bus) of the next 30 days is a hit.
package struct TitanReplay: Sendable {
    package struct Life: Hashable, Sendable {
        package var insert: Int64
        package var remove: Int64
    }

    /// By serial number, seconds since 1970.
    package private(set) var lives: [String: [Life]] = [:]
    package private(set) var events: [String: [Int64]] = [:]
    /// Rows that say nothing usable: a bad serial number or location, a service node, no date.
    package private(set) var skipped = 0
    package private(set) var duplicates = 0

    package static let horizonSeconds: Int64 = 30 * 86_400
    package static let maximumRows = 2_000_000

    package struct Result: Hashable, Sendable {
        package var ranked: Int
        package var hits: Int
        package var averagePrecision: Double
        package var precisionAtTop: Double
    }

    /// - Parameters:
    ///   - history: `titan.gpu.history.txt`: serial number, location, insert, remove; an empty one is the row's above; in an
    ///     event's row the insert is `DBE` or `Off The BUS` and the remove its time.
    ///   - service: `titan.service.txt`, whose third column names locations that are no compute nodes.
    package init(history: String, service: String = "") {
        let excluded = Set(
            service.split(whereSeparator: \.isNewline).compactMap { line -> String? in
                let fields = Self.fields(line)
                return fields.count > 2 ? fields[2] : nil
            })
        var serial = "", location = ""
        for line in history.split(whereSeparator: \.isNewline).prefix(Self.maximumRows) {
            let fields = Self.fields(line)
            guard fields.count >= 4 else {
                skipped += 1
                continue
            }
            if !fields[0].isEmpty { serial = fields[0] }
            if !fields[1].isEmpty { location = fields[1] }
            guard serial.utf8.count == 13, serial.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                Self.isNode(location), !excluded.contains(location), let end = Self.time(fields[3])
            else {
                skipped += 1
                continue
            }
            if let begin = Self.time(fields[2]) {
                // The last inventory was read after the machine was turned off.
                let remove = end >= Self.lastInventory ? Self.lightsOut : end
                if remove > begin { lives[serial, default: []].append(Life(insert: begin, remove: remove)) }
            } else if fields[2] == "DBE" || fields[2] == "Off The BUS" {
                events[serial, default: []].append(end)
            } else {
                skipped += 1
            }
        }
        mergeDuplicates()
    }

    private static let lastInventory = civil(2020, 1, 20)
    private static let lightsOut = civil(2019, 8, 1) + 20 * 3600 + 7 * 60 + 33

    /// One fault is told several times: what follows within a day of the first is the same.
    private mutating func mergeDuplicates() {
        for (serial, times) in events {
            var merged: [Int64] = []
            for time in times.sorted() {
                if let last = merged.last, time - last < 86_400 { duplicates += 1 } else { merged.append(time) }
            }
            events[serial] = merged
        }
    }

    /// Walks forward over the first days of the months, `from` to `to` inclusive.
    /// - Parameter topShare: of the ranked GPUs, for the precision at the top.
    package func replay(
        halfLifeDays: Double, from: (year: Int64, month: Int64) = (2016, 1),
        to: (year: Int64, month: Int64) = (2019, 6),
        topShare: Double = 0.005
    ) -> Result {
        var ranked: [(score: Double, hit: Bool)] = []
        let serials = lives.keys.sorted()
        var month = from
        while (month.year, month.month) <= (to.year, to.month) {
            let now = Self.civil(month.year, month.month, 1)
            for serial in serials where lives[serial]?.contains(where: { $0.insert <= now && now < $0.remove }) == true
            {
                let times = events[serial] ?? []
                let hit = times.contains { $0 > now && $0 <= now + Self.horizonSeconds }
                ranked.append((Self.level(times, now, halfLifeDays), hit))
            }
            month = month.month == 12 ? (month.year + 1, 1) : (month.year, month.month + 1)
        }
        return Self.judge(ranked, topShare: topShare)
    }

    /// The production sum: a leaky bucket of weight 1.
    private static func level(_ times: [Int64], _ now: Int64, _ halfLifeDays: Double) -> Double {
        let halfLife = halfLifeDays * 86_400
        var bucket: LeakyBucket?
        for time in times where time <= now {
            if bucket == nil {
                bucket = LeakyBucket(weight: 1, atMilliseconds: time * 1000)
            } else {
                bucket?.add(1, at: time * 1000, halfLifeSeconds: halfLife)
            }
        }
        return bucket?.level(at: now * 1000, halfLifeSeconds: halfLife) ?? 0
    }

    /// Average precision over the distinct scores, and the precision among the best, where equals share what is left of it.
    package static func judge(_ ranked: [(score: Double, hit: Bool)], topShare: Double) -> Result {
        let hits = ranked.count(where: \.hit)
        var result = Result(ranked: ranked.count, hits: hits, averagePrecision: 0, precisionAtTop: 0)
        let top = (Double(ranked.count) * topShare).rounded(.up)
        guard hits > 0, top >= 1 else { return result }
        let ordered = ranked.sorted { $0.score > $1.score }
        var seen = 0, found = 0, inTop = 0.0, start = 0
        while start < ordered.count {
            var end = start
            while end < ordered.count, ordered[end].score == ordered[start].score { end += 1 }
            let new = ordered[start..<end].count(where: \.hit)
            let room = min(Double(end - start), max(0, top - Double(seen)))
            inTop += Double(new) * room / Double(end - start)
            seen += end - start
            found += new
            result.averagePrecision += Double(new) / Double(hits) * Double(found) / Double(seen)
            start = end
        }
        result.precisionAtTop = inTop / top
        return result
    }

    // MARK: Text

    private static func fields(_ line: Substring) -> [String] {
        let separator: Character = line.contains("\t") ? "\t" : line.contains("|") ? "|" : ","
        return line.split(separator: separator, omittingEmptySubsequences: false).map { field in
            var field = field
            while let first = field.first, first == " " || first == "\"" { field.removeFirst() }
            while let last = field.last, last == " " || last == "\"" { field.removeLast() }
            return String(field)
        }
    }

    /// `c12-3c1s5n2`: column and row of the cabinet, cage, slot, node.
    private static func isNode(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (10...11).contains(bytes.count), bytes.first == UInt8(ascii: "c") else { return false }
        return bytes.contains(UInt8(ascii: "-")) && bytes.contains(UInt8(ascii: "s"))
            && bytes.contains(UInt8(ascii: "n"))
    }

    /// `11/01/2013 10:20:30`, also with `-` between date and time; the zone does not matter for days.
    private static func time(_ text: String) -> Int64? {
        let numbers = text.split { !$0.isASCII || !$0.isNumber }.map(String.init)
        guard numbers.count == 6, text.contains("/"), numbers.allSatisfy({ $0.utf8.count <= 4 }),
            let month = Int64(numbers[0]), let day = Int64(numbers[1]), let year = Int64(numbers[2]),
            let hour = Int64(numbers[3]), let minute = Int64(numbers[4]), let second = Int64(numbers[5]),
            (1...12).contains(month), (1...31).contains(day), (1990...2100).contains(year), hour < 24, minute < 60,
            second < 61
        else { return nil }
        return civil(year, month, day) + hour * 3600 + minute * 60 + second
    }

    /// Seconds since 1970 of a date of the Gregorian calendar.
    private static func civil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        // Years begin in March, so that the leap day is the last.
        let y = month <= 2 ? year - 1 : year
        let era = y / 400, ofEra = y - era * 400
        let ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return (era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468) * 86_400
    }
}
