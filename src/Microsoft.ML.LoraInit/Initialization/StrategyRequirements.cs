using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Initialization;

/// <summary>What a strategy must be for its name and settings to come back from a file or a command line.</summary>
internal static partial class StrategyRequirements
{
    // What a command line says instead of names.
    private const string Everything = "all";

    /// <exception cref="ArgumentException">The name has another form, or a property could not be restored.</exception>
    public static void Check(LoraInitialization strategy)
    {
        var type = strategy.GetType();
        if (strategy.Name is not { } name || !NameForm().IsMatch(name))
            throw new ArgumentException($"{type} has the name '{strategy.Name}'. A name is made of lower-case letters, digits and single hyphens, and begins with a letter, such as 'my-start'.");
        if (name == Everything)
            throw new ArgumentException($"{type} has the name '{Everything}', which stands for many strategies on the command line. Choose another.");
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
            Check(type, property);
        CheckRoundTrip(strategy);
    }

    private static void Check(Type type, PropertyInfo property)
    {
        // Name, family and the like follow from the type and its settings.
        var isOfTheBase = property.GetMethod?.GetBaseDefinition().DeclaringType == typeof(LoraInitialization);
        if (!isOfTheBase && property.SetMethod is not { IsPublic: true } && HoldsAValue(property))
            throw new ArgumentException($"{type}.{property.Name} holds a value that cannot be set, so that files would lose it: give it a public 'init'.");
    }

    private static bool HoldsAValue(PropertyInfo property) => property.DeclaringType!
        .GetField($"<{property.Name}>k__BackingField", BindingFlags.NonPublic | BindingFlags.Instance)?.IsDefined(typeof(CompilerGeneratedAttribute)) == true;

    private static void CheckRoundTrip(LoraInitialization strategy)
    {
        string stored, restored;
        try
        {
            var json = InitializationRegistry.ToJson(strategy);
            (stored, restored) = (json.ToJsonString(), InitializationRegistry.ToJson(InitializationRegistry.WithSettings(strategy, json)).ToJsonString());
        }
        catch (Exception e) when (e is NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw new ArgumentException($"The settings of {strategy.GetType()} cannot be stored as JSON and read back: {e.Message}", e);
        }
        if (stored != restored)
            throw new ArgumentException($"The settings of {strategy.GetType()} are not the same after they were stored and read: {stored} became {restored}.");
    }

    [GeneratedRegex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
    private static partial Regex NameForm();
}
