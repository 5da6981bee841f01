namespace Microsoft.ML.LoraInit.Glue;

/// <summary>How files write yes and no.</summary>
public static class BinaryLabel
{
    /// <summary>The spellings read, for messages.</summary>
    internal const string Spellings = "0, 1, true, false, yes or no";

    /// <summary>Reads <c>1</c>, <c>1.0</c>, <c>true</c> and <c>yes</c>, and their opposites, in any case and with blanks around them.</summary>
    /// <param name="text">The cell.</param>
    /// <param name="value">What it says.</param>
    /// <returns>Whether it says either.</returns>
    public static bool TryParse(string? text, out bool value)
    {
        bool? read = text?.Trim().ToLowerInvariant() switch
        {
            "1" or "1.0" or "true" or "yes" => true,
            "0" or "0.0" or "false" or "no" => false,
            _ => null,
        };
        value = read == true;
        return read is not null;
    }
}
