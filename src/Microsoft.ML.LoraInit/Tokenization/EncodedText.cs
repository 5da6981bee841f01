namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>Token ids of one row, special tokens included: <c>&lt;s&gt; A &lt;/s&gt;</c> or <c>&lt;s&gt; A &lt;/s&gt;&lt;/s&gt; B &lt;/s&gt;</c>.</summary>
/// <param name="Ids">At least two ids, at most the model's maximum length.</param>
internal readonly record struct EncodedText(int[] Ids)
{
    public int Length => Ids.Length;

    /// <summary>Whether some of the text is in no row.</summary>
    public bool IsCut { get; init; }
}
