namespace Microsoft.ML.LoraInit.Core;

/// <summary>The error of a setting that is out of range. It names the property; <see cref="SettingReader"/> says the same of the key that stands for it.</summary>
internal static class SettingRange
{
    private const string Key = "LoraInit.Allowed";

    /// <param name="property">Its name.</param>
    /// <param name="value">What was found.</param>
    /// <param name="allowed">The end of "it must be …".</param>
    public static ArgumentOutOfRangeException Error(string property, object value, string allowed) =>
        new(property, value, FormattableString.Invariant($"{property} = {value} is out of range: use {allowed}.")) { Data = { [Key] = allowed } };

    /// <summary>What would have been allowed; null where the error is not from <see cref="Error"/>.</summary>
    public static string? Allowed(ArgumentOutOfRangeException error) => error.Data[Key] as string;
}
