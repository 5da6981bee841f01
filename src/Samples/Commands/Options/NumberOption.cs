using System.CommandLine;
using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>Options that are a number which may be left out: with a decimal point, never with commas, which would otherwise be passed over (0,05 as 5).</summary>
internal static class NumberOption
{
    public static Option<double?> Create(string name, string description, string help) => new(name)
    {
        Description = description,
        HelpName = help,
        CustomParser = result =>
        {
            if (double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
                return number;
            result.AddError($"{name}: expected is a number, not '{result.Tokens[0].Value}'.");
            return null;
        },
    };
}
