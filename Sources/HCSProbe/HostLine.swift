internal import HCSModel

/// A line of the kernel log that tells of the host itself. Text only. As in `FaultParser`, what is needed lies at the start of
/// the line and is longer than what a process's name can put there, or the line's end is needed as well.
package struct HostLine: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case oops, hungTask, diskError }

    package var kind: Kind
    /// Printable, bounded.
    package var message: String

    private static let limit = 512

    /// Nil for any other line.
    package init?(_ text: String) {
        let line = Array(text.utf8.prefix(Self.limit))
        if Self.isOops(line) {
            kind = .oops
        } else if Self.isHungTask(line) {
            kind = .hungTask
        } else if Self.isDiskError(line) {
            kind = .diskError
        } else {
            return nil
        }
        message = PrintableText.of(line, limit: 160)
    }

    /// arch/x86/mm/fault.c, arch/arm64/mm/fault.c, lib/bug.c, kernel/watchdog.c.
    private static func isOops(_ line: [UInt8]) -> Bool {
        let starts = [
            "BUG: unable to handle ", "BUG: kernel NULL pointer dereference", "Unable to handle kernel ",
            "Internal error: Oops", "watchdog: BUG: soft lockup - CPU#",
        ]
        if starts.contains(where: { line.starts(with: $0.utf8) }) { return true }
        // `general protection fault, …: 0000 [#1]`; a program's begins with `traps: `.
        if line.starts(with: "general protection fault".utf8) { return contains(line, " [#") }
        // `kernel BUG at mm/slub.c:4523!`
        guard let place = rest(of: line, after: "kernel BUG at "), place.last == UInt8(ascii: "!") else { return false }
        let parts = place.dropLast().split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].contains(0x20) && isNumber(parts[1])
    }

    /// kernel/hung_task.c: `INFO: task NAME:PID blocked for more than 120 seconds.`, newer ones `blocked in I/O wait for …`. A
    /// name may hold anything.
    private static func isHungTask(_ line: [UInt8]) -> Bool {
        guard var rest = rest(of: line, after: "INFO: task ") else { return false }
        let end = Array(" seconds.".utf8)
        guard rest.count > end.count, rest.suffix(end.count).elementsEqual(end) else { return false }
        rest = rest.dropLast(end.count)
        let seconds = rest.reversed().prefix { isDigit($0) }.count
        rest = rest.dropLast(seconds)
        let middles = [" blocked for more than ", " blocked in I/O wait for more than "].map { Array($0.utf8) }
        guard (1...9).contains(seconds), let middle = middles.first(where: { rest.suffix($0.count).elementsEqual($0) })
        else { return false }
        rest = rest.dropLast(middle.count)
        let pid = rest.reversed().prefix { isDigit($0) }.count
        return (1...10).contains(pid) && rest.dropLast(pid).last == UInt8(ascii: ":")
    }

    /// block/blk-core.c, fs/buffer.c, fs/ext4/super.c (__ext4_error, ext4_handle_error). Loop devices, optical drives and
    /// network disks say nothing of a host's.
    private static func isDiskError(_ line: [UInt8]) -> Bool {
        var text = line[...]
        if let rest = rest(of: line, after: "blk_update_request: ") { text = rest }
        for start in ["I/O error, dev ", "critical medium error, dev ", "critical target error, dev "] {
            guard let rest = rest(of: text, after: start) else { continue }
            let name = rest.prefix { $0 != UInt8(ascii: ",") }
            guard isDisk(name), let sector = Self.rest(of: rest.dropFirst(name.count), after: ", sector ") else {
                return false
            }
            return sector.first.map(isDigit) == true
        }
        for (start, end) in [("Buffer I/O error on dev ", ","), ("EXT4-fs error (device ", ")")] {
            guard let rest = rest(of: text, after: start) else { continue }
            return isDisk(rest.prefix { $0 != end.utf8.first })
        }
        if let told = message(of: "EXT4-fs", in: text) {
            return told.elementsEqual("Remounting filesystem read-only".utf8)
        }
        if let told = message(of: "XFS", in: text) { return isShutdown(told) }
        return isTimeout(text)
    }

    /// What a file system on a disk says: `XFS (sda1): …`.
    private static func message(of system: String, in line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let rest = rest(of: line, after: "\(system) (") else { return nil }
        let name = rest.prefix { $0 != UInt8(ascii: ")") }
        return isDisk(name) ? Self.rest(of: rest.dropFirst(name.count), after: "): ") : nil
    }

    /// fs/xfs/xfs_fsops.c (xfs_do_force_shutdown) and fs/xfs/xfs_log.c (xlog_force_shutdown). From Linux 5.15 on the cause
    /// has its flags in hexadecimal; an operator's own shutdown has SHUTDOWN_FORCE_UMOUNT (fs/xfs/xfs_mount.h) among them.
    private static func isShutdown(_ text: ArraySlice<UInt8>) -> Bool {
        let early = [
            "Corruption of in-memory data detected.  Shutting down filesystem",
            "Log I/O Error Detected. Shutting down filesystem", "I/O Error Detected. Shutting down filesystem",
            "All device paths lost. Shutting down filesystem",
            // Before Linux 5.0 or so, with two blanks.
            "Log I/O Error Detected.  Shutting down filesystem", "All device paths lost.  Shutting down filesystem",
        ]
        if early.contains(where: { text.elementsEqual($0.utf8) }) { return true }
        let starts = [
            "Log I/O Error (0x", "Metadata I/O Error (0x", "Corruption of in-memory data (0x",
            "Corruption of on-disk metadata (0x", "Block device removal (0x",
            "Filesystem has been shut down due to log error (0x",
        ]
        for start in starts {
            guard let rest = rest(of: text, after: start) else { continue }
            let digits = rest.prefix { $0 != UInt8(ascii: ")") }
            guard let flags = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else { return false }
            let end = rest.dropFirst(digits.count)
            return flags & 0x4 == 0 && (end.elementsEqual(").".utf8) || end.starts(with: ") detected at ".utf8))
        }
        return false
    }

    /// drivers/nvme/host/pci.c (nvme_timeout, nvme_warn_reset): `nvme nvme0: I/O 97 QID 1 timeout, aborting`, newer ones
    /// `I/O tag 97 (1061) opcode 0x2 (Read) QID 1 timeout, aborting req_op:READ(0) size:4096`.
    private static func isTimeout(_ text: ArraySlice<UInt8>) -> Bool {
        guard let rest = rest(of: text, after: "nvme nvme") else { return false }
        let number = rest.prefix(while: isDigit)
        guard (1...4).contains(number.count), let told = Self.rest(of: rest.dropFirst(number.count), after: ": ")
        else { return false }
        if told.starts(with: "controller is down; will reset: CSTS=0x".utf8) { return true }
        let line = Array(told)
        guard line.starts(with: "I/O ".utf8), contains(line, " QID ") else { return false }
        return ["completion polled", "disable controller", "reset controller", "aborting"].contains {
            contains(line, " timeout, \($0)")
        }
    }

    private static func isDisk(_ name: ArraySlice<UInt8>) -> Bool {
        (3...32).contains(name.count)
            && ["sd", "nvme", "vd", "xvd", "hd", "dm-", "md", "mmcblk"].contains { name.starts(with: $0.utf8) }
            && name.allSatisfy { isDigit($0) || (0x61...0x7a).contains($0) || $0 == UInt8(ascii: "-") }
    }

    private static func rest(of line: some RandomAccessCollection<UInt8>, after start: String) -> ArraySlice<UInt8>? {
        line.starts(with: start.utf8) ? Array(line.dropFirst(start.utf8.count))[...] : nil
    }

    private static func contains(_ line: [UInt8], _ word: String) -> Bool {
        let word = Array(word.utf8)
        return line.indices.contains { line[$0...].starts(with: word) }
    }

    private static func isNumber(_ text: ArraySlice<UInt8>) -> Bool {
        (1...9).contains(text.count) && text.allSatisfy(isDigit)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
