namespace Microsoft.ML.LoraInit.Core;

/// <summary>What files say of long texts: nothing where they are cut.</summary>
internal static class LongTextText
{
    public static string? Write(LongText rule) => rule == LongText.Truncate ? null : rule.ToString();

    /// <exception cref="FormatException">It is none that <see cref="Write"/> writes.</exception>
    public static LongText Read(string? text)
    {
        try
        {
            return text is null ? LongText.Truncate : LongText.Parse(text);
        }
        catch (ArgumentException e)
        {
            throw new FormatException(e.Message, e);
        }
    }
}
