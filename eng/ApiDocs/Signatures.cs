using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>Declarations as one would write them in C#.</summary>
internal static class Signatures
{
    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(char)] = "char",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(decimal)] = "decimal",
        [typeof(short)] = "short",
    };

    /// <summary>A type's name with the types it is nested in, without its namespace.</summary>
    public static string Name(Type type)
    {
        var own = type.Name.Split('`')[0];
        if (type.IsGenericType && type.GetGenericArguments() is { Length: > 0 } arguments)
            own += $"<{string.Join(", ", arguments.Select(Name))}>";
        return type.IsNested && !type.IsGenericParameter ? $"{Name(type.DeclaringType!)}.{own}" : own;
    }

    /// <summary>class, struct, interface, enum, record or delegate.</summary>
    public static string Kind(Type type) =>
        type.IsEnum ? "enum"
        : type.IsInterface ? "interface"
        : type.IsValueType ? "struct"
        : typeof(Delegate).IsAssignableFrom(type) ? "delegate"
        : type.GetMethod("<Clone>$") is not null ? "record"
        : "class";

    public static string Of(MemberInfo member) => member switch
    {
        Type type => OfType(type),
        ConstructorInfo constructor => $"{Access(constructor)} {constructor.DeclaringType!.Name.Split('`')[0]}({Parameters(constructor)})",
        MethodInfo method => $"{Access(method)}{Modifiers(method)} {Shown(method.ReturnParameter)} {method.Name}{TypeParameters(method)}({Parameters(method)})",
        PropertyInfo property => OfProperty(property),
        FieldInfo field => OfField(field),
        EventInfo raised => $"public event {Shown(new NullabilityInfoContext().Create(raised))} {raised.Name}",
        _ => throw new ArgumentException($"{member.MemberType} {member.Name} has no declaration here."),
    };

    private static string OfType(Type type)
    {
        var modifier = type is { IsAbstract: true, IsSealed: true } ? "static " : type is { IsAbstract: true, IsInterface: false } ? "abstract " : type is { IsSealed: true, IsValueType: false } ? "sealed " : "";
        List<Type> parents = type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) && parent != typeof(Enum) && parent != typeof(MulticastDelegate) ? [parent] : [];
        var inherited = type.BaseType?.GetInterfaces() ?? [];
        if (!type.IsEnum)
            parents.AddRange(type.GetInterfaces().Where(i => i.IsPublic && !inherited.Contains(i)).OrderBy(i => i.Name, StringComparer.Ordinal));
        return $"public {modifier}{Kind(type)} {Name(type)}{(parents.Count > 0 ? $" : {string.Join(", ", parents.Select(Plain))}" : "")}";
    }

    private static string OfProperty(PropertyInfo property)
    {
        var getter = property.GetMethod is { } get && IsVisible(get) ? " get;" : "";
        var setter = property.SetMethod is { } set && IsVisible(set)
            ? set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;" : " set;"
            : "";
        var indexes = property.GetIndexParameters();
        var name = indexes.Length > 0 ? $"this[{string.Join(", ", indexes.Select(Parameter))}]" : property.Name;
        var required = property.GetCustomAttribute<RequiredMemberAttribute>() is null ? "" : " required";
        var accessor = property.GetMethod ?? property.SetMethod!;
        return $"{Access(accessor)}{Modifiers(accessor)}{required} {Shown(new NullabilityInfoContext().Create(property))} {name} {{{getter}{setter} }}";
    }

    private static string OfField(FieldInfo field) =>
        field.DeclaringType!.IsEnum
            ? $"{field.Name} = {Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}"
            : $"public {(field.IsLiteral ? "const" : field.IsStatic ? "static" : "")}{(field.IsInitOnly ? " readonly" : "")} {Shown(new NullabilityInfoContext().Create(field))} {field.Name}{(field.IsLiteral ? $" = {Literal(field.GetRawConstantValue())}" : "")}";

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Access(MethodBase method) => method.IsPublic ? "public" : "protected";

    private static string Modifiers(MethodInfo method) =>
        method.IsStatic ? " static"
        : method.DeclaringType!.IsInterface ? ""
        : method.GetBaseDefinition() != method ? " override"
        : method.IsAbstract ? " abstract"
        : method is { IsVirtual: true, IsFinal: false } ? " virtual" : "";

    private static string TypeParameters(MethodInfo method) =>
        method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : "";

    private static string Parameters(MethodBase method) =>
        (method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "") + string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter)
    {
        var prefix = parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : parameter.IsOut ? "out " : parameter.ParameterType.IsByRef ? "ref " : "";
        var value = parameter.HasDefaultValue ? $" = {Literal(parameter.DefaultValue)}" : "";
        return $"{prefix}{Shown(parameter)} {parameter.Name}{value}";
    }

    private static string Literal(object? value) => value switch
    {
        null => "default",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        Enum constant => $"{constant.GetType().Name}.{constant}",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    private static string Shown(ParameterInfo parameter) => Shown(new NullabilityInfoContext().Create(parameter));

    private static string Shown(NullabilityInfo info)
    {
        var type = info.Type.IsByRef ? info.Type.GetElementType()! : info.Type;
        var mark = info.ReadState == NullabilityState.Nullable && !type.IsValueType ? "?" : "";
        if (info.ElementType is { } element)
            return $"{Shown(element)}[]{mark}";
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return $"{Plain(inner)}?";
        return info.GenericTypeArguments.Length > 0 && type.IsGenericType && !IsTuple(type)
            ? $"{type.Name.Split('`')[0]}<{string.Join(", ", info.GenericTypeArguments.Select(Shown))}>{mark}"
            : Plain(type) + mark;
    }

    private static string Plain(Type type)
    {
        if (Keywords.TryGetValue(type, out var keyword))
            return keyword;
        if (type.IsArray)
            return $"{Plain(type.GetElementType()!)}[]";
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return $"{Plain(inner)}?";
        if (type.IsGenericParameter || !type.IsGenericType)
            return Name(type);
        var arguments = string.Join(", ", type.GetGenericArguments().Select(Plain));
        return IsTuple(type) ? $"({arguments})" : $"{type.Name.Split('`')[0]}<{arguments}>";
    }

    private static bool IsTuple(Type type) => type.FullName?.StartsWith("System.ValueTuple`", StringComparison.Ordinal) == true;
}
