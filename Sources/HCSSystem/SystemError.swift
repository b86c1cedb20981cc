internal import Glibc

/// A call to the operating system that failed, or something of it that is not what it must be.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case notFound, permission, exists, busy, tooLarge, io
        /// The thing is there and is not what it should be: a hostile or damaged file.
        case invalid
        /// A segment shrank below its layout: its owner truncated it.
        case truncated
        case unsupported
    }

    package let code: Code
    /// What was attempted, on what, and what to do.
    package let message: String
    /// 0 where no system call failed.
    package let errno: Int32

    package init(_ code: Code, _ message: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    package var description: String { message }

    /// From an error number. `attempt` reads as "open /dev/kmsg".
    package static func failed(_ attempt: String, errno number: Int32, hint: String? = nil) -> SystemError {
        let code: Code =
            switch number {
            case ENOENT, ESRCH, ENODEV, ENXIO: .notFound
            case EPERM, EACCES: .permission
            case EEXIST: .exists
            case EAGAIN, EBUSY: .busy
            case EFBIG, E2BIG, EMSGSIZE: .tooLarge
            case ENOSYS, EOPNOTSUPP: .unsupported
            case ELOOP, ENOTDIR, EISDIR: .invalid
            default: .io
            }
        let suffix = hint.map { ": \($0)" } ?? ""
        return SystemError(code, "could not \(attempt): \(text(of: number))\(suffix)", errno: number)
    }

    /// `strerror` in its thread-safe form.
    package static func text(of number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
