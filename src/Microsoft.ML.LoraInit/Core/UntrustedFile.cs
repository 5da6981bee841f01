using System.Text;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Reads small files that come from anywhere: regular files of a bounded size alone, so that no link to an endless device fills the memory.</summary>
internal static class UntrustedFile
{
    /// <summary>The most that a configuration may have: a thousand times what published ones have.</summary>
    public const long MaxJson = 16 << 20;

    /// <summary>The most that a vocabulary or its merges may have: fifty times what published ones have.</summary>
    public const long MaxVocabulary = 64 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Refuses what is no regular file.</summary>
    /// <exception cref="InvalidDataException">It is a device, pipe or socket; the message names it.</exception>
    public static void CheckRegular(string path)
    {
        if (FileKind.IsSpecial(path))
            throw new InvalidDataException($"'{path}' is a device or pipe, or a link to one; a regular file is expected.");
    }

    /// <summary>The content.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most bytes that it may have.</param>
    /// <exception cref="InvalidDataException">It is no regular file or larger than that, or changes while it is read.</exception>
    public static byte[] Read(string path, long limit)
    {
        CheckRegular(path);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1);
        return Read(stream, limit, $"'{path}'");
    }

    /// <summary>Everything that a stream still has.</summary>
    /// <param name="stream">Need not seek.</param>
    /// <param name="limit">The most bytes.</param>
    /// <param name="name">What error messages call it, quotes included.</param>
    /// <exception cref="InvalidDataException">There are more, or fewer than the stream's length says.</exception>
    public static byte[] Read(Stream stream, long limit, string name)
    {
        if (stream.CanSeek)
        {
            long length = stream.Length - stream.Position;
            if (length > limit)
                throw TooLarge(name, limit);
            var bytes = new byte[length];
            if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
                throw new InvalidDataException($"{name} became shorter while it was read. Read it again when nobody writes to it.");
            return bytes;
        }
        var buffer = new MemoryStream();
        var piece = new byte[81_920];
        for (int count; (count = stream.Read(piece)) > 0;)
        {
            buffer.Write(piece, 0, count);
            if (buffer.Length > limit)
                throw TooLarge(name, limit);
        }
        return buffer.ToArray();
    }

    /// <summary>A text in UTF-8, with or without a byte order mark.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="name">What error messages call it, quotes included.</param>
    /// <exception cref="InvalidDataException">The bytes are not UTF-8.</exception>
    public static string Text(ReadOnlySpan<byte> utf8, string name)
    {
        try
        {
            return Strict.GetString(WithoutMark(utf8));
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"{name} is not text in UTF-8: {e.Message}", e);
        }
    }

    /// <inheritdoc cref="Text(ReadOnlySpan{byte}, string)"/>
    public static string ReadText(string path, long limit) => Text(Read(path, limit), $"'{path}'");

    /// <summary>The bytes after a UTF-8 byte order mark.</summary>
    public static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> utf8) => utf8.StartsWith(Encoding.UTF8.Preamble) ? utf8[Encoding.UTF8.Preamble.Length..] : utf8;

    private static InvalidDataException TooLarge(string name, long limit) =>
        new($"{name} has more than {limit:N0} bytes, the most that such a file may have: it is damaged or not what it should be.");
}
