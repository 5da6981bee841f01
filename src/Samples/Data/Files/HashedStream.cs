using System.Security.Cryptography;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Reads a stream from its beginning and tells the SHA-256 of all that it had: of a pipe too, which is gone then.</summary>
internal sealed class HashedStream(Stream inner) : ForwardStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Reads what is left. In hexadecimal digits.</summary>
    public string Sha256()
    {
        CopyTo(Null);
        return Convert.ToHexStringLower(_hash.GetCurrentHash());
    }

    public override int Read(Span<byte> buffer)
    {
        int count = inner.Read(buffer);
        _hash.AppendData(buffer[..count]);
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
            _hash.Dispose();
        }
        base.Dispose(disposing);
    }
}
