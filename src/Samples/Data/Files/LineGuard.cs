namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Reads a stream and refuses a line without an end, as a small archive or a device may have one, before it fills the memory.</summary>
/// <param name="inner">Stays open.</param>
/// <param name="name">What messages call it.</param>
/// <param name="most">The most bytes of a line.</param>
internal sealed class LineGuard(Stream inner, string name, long most) : ForwardStream
{
    private long _number = 1, _length;

    /// <exception cref="GlueDataException">A line is too long.</exception>
    public override int Read(Span<byte> buffer)
    {
        int count = inner.Read(buffer);
        for (var rest = buffer[..count]; !rest.IsEmpty;)
        {
            int end = rest.IndexOfAny((byte)'\n', (byte)'\r');
            _length += end < 0 ? rest.Length : end;
            if (_length > most)
                throw new GlueDataException(name, _number, null, $"the line has more than {most >> 20} MB; no row is that long: the file is damaged or not what it should be.");
            if (end < 0)
                break;
            _length = 0;
            _number += rest[end] == '\n' ? 1 : 0;
            rest = rest[(end + 1)..];
        }
        return count;
    }
}
