namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>
/// Lengths that batches are padded to where each length costs something once (a captured graph): steps of an eighth of the
/// length or so, multiples of 8 as tensor cores like them.
/// </summary>
internal static class LengthBuckets
{
    /// <summary>The smallest bucket that holds a length: multiples of 8 up to 64, of 16 up to 128, of 32 above.</summary>
    /// <param name="length">Tokens, at least 1.</param>
    /// <param name="maximum">The model's maximum, which is a bucket of its own.</param>
    public static int Of(int length, int maximum)
    {
        int step = length <= 64 ? 8 : length <= 128 ? 16 : 32;
        return Math.Min((length + step - 1) / step * step, Math.Max(length, maximum));
    }
}
