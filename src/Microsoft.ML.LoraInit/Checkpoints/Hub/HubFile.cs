using System.Security.Cryptography;

namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>A file of a repository as the hub describes it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Commit">The commit it belongs to, 40 hexadecimal digits.</param>
/// <param name="Etag">
/// Its content's hash, which also names its blob: SHA-256 for large files (Git LFS), Git's SHA-1 of a blob for the others.
/// </param>
/// <param name="Length">Bytes; null where the hub does not say.</param>
internal sealed record HubFile(string Name, string Commit, string Etag, long? Length)
{
    private const int BufferSize = 1 << 20;

    private bool IsLarge => Etag.Length == 64;

    /// <summary>Whether a text can be an <see cref="Etag"/>; nothing else becomes a part of a path.</summary>
    public static bool IsEtag(string text) => text.Length is 40 or 64 && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Compares a file's content with <see cref="Etag"/>.</summary>
    /// <exception cref="InvalidDataException">It differs; the message has both hashes.</exception>
    public async Task VerifyAsync(string path, string repository, CancellationToken cancellationToken)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, useAsync: true);
        await using var _ = stream.ConfigureAwait(false);
        // SHA-1 is Git's choice and guards against damage only; weights are large files and have SHA-256.
        using var hash = IncrementalHash.CreateHash(IsLarge ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (!IsLarge)
            hash.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        var buffer = new byte[BufferSize];
        int count;
        while ((count = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            hash.AppendData(buffer, 0, count);
        var actual = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (actual != Etag)
            throw new InvalidDataException(
                $"{Name} of '{repository}' arrived damaged: its {(IsLarge ? "SHA-256" : "Git hash")} is {actual}, the hub says {Etag}. "
                + "The download was deleted; try again.");
    }
}
